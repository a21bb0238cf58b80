package server

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
)

// certificate answers POST-as-GET with a chain in PEM, and the URLs of the others there are (RFC 8555, section 7.4.2).
func (c *call) certificate() error {
	if err := c.m.PostAsGet(); err != nil {
		return err
	}
	if !accepts(c.r.Header, chainType) {
		return problem(acme.Malformed, http.StatusNotAcceptable, "certificates are sent as %s", chainType)
	}
	if k, ok := c.s.recent.get(c.args[0]); ok && k.order != nil && len(c.args) == 1 {
		if err := c.mine(k.order.Account, k.order.Provisioner); err != nil {
			return err
		}
		if err := c.spend(); err != nil {
			return err
		}
		return c.answerChain(k.order.ID, k.chain, 0, k.more)
	}
	o, _, err := c.loadOrder()
	if err != nil {
		return err
	}
	if o.Status != acme.Valid {
		return problem(acme.OrderNotReady, 0, "the order is %s", o.Status)
	}
	r, err := c.ca.Certificate(c.r.Context(), authority.Serial(o.Serial))
	if err != nil {
		return err
	}
	chains, err := c.ca.Chains(r)
	if err != nil {
		return err
	}
	n := 0
	if len(c.args) > 1 {
		if n, err = strconv.Atoi(c.args[1]); err != nil || n < 1 || n >= len(chains) || strconv.Itoa(n) != c.args[1] {
			return acme.ErrNotFound
		}
	}
	return c.answerChain(o.ID, chainPEM(chains[n]), n, len(chains)-1)
}

const chainType = "application/pem-certificate-chain"

// answerChain sends chain n, and says where the others are.
func (c *call) answerChain(order string, chain []byte, n, others int) error {
	for i := range others + 1 {
		if i == n {
			continue
		}
		u := c.link("certificate", order)
		if i > 0 {
			u = fmt.Sprintf("%s/%d", u, i)
		}
		c.w.Header().Add("Link", "<"+u+`>;rel="alternate"`)
	}
	c.write(http.StatusOK, chainType, chain)
	return nil
}

// keep remembers what was issued, for the client that fetches it in a moment.
func (s *Server) keep(ca *authority.Authority, o *acme.Order, r *authority.Record) {
	if chains, err := ca.Chains(r); err == nil {
		s.recent.put(o.ID, &known{order: o, chain: chainPEM(chains[0]), more: len(chains) - 1})
	}
}

func chainPEM(chain []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, k := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: k.Raw}) // a Buffer takes everything
	}
	return b.Bytes()
}

// accepts reads Accept as loosely as clients write it.
func accepts(h http.Header, t string) bool {
	values := h.Values("Accept")
	if len(values) == 0 {
		return true
	}
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			one, _, _ = strings.Cut(one, ";")
			switch strings.ToLower(strings.TrimSpace(one)) {
			case "", t, "*/*", "application/*":
				return true
			}
		}
	}
	return false
}
