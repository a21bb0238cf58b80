package server

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
)

// renewalJSON is the RenewalInfo object (RFC 9773, section 4.2).
type renewalJSON struct {
	Window struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	} `json:"suggestedWindow"`
	Explanation string `json:"explanationURL,omitempty"`
}

// renewalInfo says when a certificate should be renewed: for one in good standing about two thirds into its life; at
// once for one that is revoked, or whose issuer does not issue any more.
func (c *call) renewalInfo() error {
	r, err := c.find(c.args[0])
	if err != nil {
		return err
	}
	now := time.Now()
	life := r.NotAfter.Sub(r.NotBefore)
	var v renewalJSON
	v.Window.Start = r.NotBefore.Add(life / 100 * 64)
	v.Window.End = r.NotBefore.Add(max(life/100*70, life/100*64+shortestWindow))
	switch {
	case r.Revocation != nil:
		v.Window.Start, v.Window.End = now.Add(-2*time.Hour), now.Add(-time.Hour)
		v.Explanation = c.s.c.RenewalInfo
	case c.leaving(r):
		v.Window.Start, v.Window.End = now.Add(-time.Minute), now.Add(min(6*time.Hour, max(life/20, time.Minute)))
		v.Explanation = c.s.c.RenewalInfo
	}
	v.Window.Start, v.Window.End = v.Window.Start.UTC().Truncate(time.Second), v.Window.End.UTC().Truncate(time.Second)
	c.w.Header().Set("Retry-After", seconds(min(6*time.Hour, max(life/20, time.Minute))))
	return c.answer(http.StatusOK, v)
}

// shortestWindow is that of certificates which live for seconds: without it nothing is left between the full seconds, and
// there are clients that want more than one.
const shortestWindow = 3 * time.Second

// leaving reports whether the issuer of a certificate is on its way out.
func (c *call) leaving(r *authority.Record) bool {
	for _, i := range c.ca.Issuers() {
		if i.Name == r.Issuer {
			return i.State != authority.Active
		}
	}
	return true
}

// find returns the record of a certificate that this server let through, by its unique identifier (RFC 9773, section 4.1).
func (c *call) find(id string) (*authority.Record, error) {
	unknown := problem(acme.Malformed, http.StatusNotFound, "there is no such certificate")
	aki, serial, ok := strings.Cut(id, ".")
	if !ok {
		return nil, problem(acme.Malformed, 0, "a certificate's identifier has two parts with a dot between them")
	}
	keyID, kerr := base64.RawURLEncoding.Strict().DecodeString(aki)
	number, serr := base64.RawURLEncoding.Strict().DecodeString(serial)
	if kerr != nil || serr != nil || len(keyID) == 0 || len(number) == 0 || len(number) > 21 || len(number) > 1 && number[0] == 0 && number[1] < 0x80 || number[0] >= 0x80 {
		return nil, problem(acme.Malformed, 0, "a certificate's identifier is a key identifier and a serial number, in base64url without padding")
	}
	r, err := c.ca.Certificate(c.r.Context(), authority.SerialOf(new(big.Int).SetBytes(number)))
	if authority.KindOf(err) == authority.NotFound || err == nil && (r.Status != authority.Issued || r.Provisioner != c.s.c.Name) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	cert, err := r.Certificate()
	if err != nil || !bytes.Equal(cert.AuthorityKeyId, keyID) {
		return nil, unknown
	}
	return r, nil
}

// mayReplace refuses an order that says it replaces a certificate, if that is not the account's own, or has none of its
// names (RFC 9773, section 5). That nobody else replaces it is for the store to see to.
func (c *call) mayReplace(id string, o *acme.Order) error {
	r, err := c.find(id)
	if err != nil {
		return err
	}
	old, err := c.s.c.Store.OrderOf(c.r.Context(), c.s.c.Name, string(r.Serial))
	switch {
	case errors.Is(err, acme.ErrNotFound):
		return problem(acme.Malformed, http.StatusNotFound, "the order of that certificate is not known any more")
	case err != nil:
		return err
	case old.Account != o.Account:
		return problem(acme.Unauthorized, 0, "the certificate that is to be replaced is another account's")
	}
	for _, a := range old.Identifiers {
		for _, b := range o.Identifiers {
			if a == b {
				return nil
			}
		}
	}
	return problem(acme.Malformed, 0, "the certificate that is to be replaced has none of the names")
}
