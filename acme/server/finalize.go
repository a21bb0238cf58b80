package server

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

// finalize has the certificate issued (RFC 8555, section 7.4). Again with the same CSR it changes nothing.
func (c *call) finalize() error {
	var q struct {
		CSR string `json:"csr"`
	}
	if err := c.m.Decode(&q); err != nil {
		return err
	}
	csr, err := parseCSR(q.CSR)
	if err != nil {
		return err
	}
	o, auths, err := c.loadOrder()
	if err != nil {
		return err
	}
	if k, ok := c.m.Key.Public().(interface{ Equal(crypto.PublicKey) bool }); ok && k.Equal(csr.PublicKey) {
		return problem(acme.BadCSR, 0, "the account's key must not be the certificate's") // RFC 8555, section 11.1
	}
	for range attempts {
		if o.Status != acme.Pending {
			if o.Status == acme.Invalid || string(o.CSR) != string(csr.Raw) {
				return problem(acme.OrderNotReady, 0, "the order is %s", o.Status)
			}
			return c.answerOrder(http.StatusOK, o, auths)
		}
		if st := o.State(auths, time.Now()); st != acme.Ready {
			if st == acme.Invalid && !time.Now().Before(o.Expires) {
				return problem(acme.OrderNotReady, 0, "the order has expired")
			}
			return problem(acme.OrderNotReady, 0, "the order is %s", st)
		}
		if err := checkCSR(csr, o, auths); err != nil {
			return err
		}
		if most := c.s.c.Limits.Finalizations; most > 0 && o.Attempts >= most {
			return c.exhaust(o)
		}
		changed := *o
		changed.Status, changed.CSR, changed.Due = acme.Processing, csr.Raw, time.Now().Add(orderLease)
		changed.Attempts++
		err := c.s.c.Store.UpdateOrder(c.r.Context(), nil, &changed)
		if err == nil {
			did := c.s.await(c.lasting(), c.ca, &job{order: &changed, auths: auths, account: c.account})
			if did.err != nil {
				return did.err
			}
			return c.answerOrder(http.StatusOK, did.order, auths)
		}
		if !errors.Is(err, acme.ErrConflict) {
			return err
		}
		if o, auths, err = c.s.c.Store.Order(c.r.Context(), nil, o.ID); err != nil {
			return err
		}
	}
	return acme.ErrConflict
}

// exhaust ends an order for which it was tried too often to issue.
func (c *call) exhaust(o *acme.Order) error {
	p := problem(acme.RateLimited, 0, "it was tried too often to finalize the order")
	o.Status, o.Error = acme.Invalid, p
	if err := c.s.c.Store.UpdateOrder(c.r.Context(), nil, o); err != nil {
		return err
	}
	tellOrder(c.r.Context(), c.ca, event.OrderFailed, o, p)
	return p
}

// maxCSR bounds a CSR, in bytes: an RSA key of 8192 bits with many names has less.
const maxCSR = 32 << 10

func parseCSR(s string) (*x509.CertificateRequest, error) {
	der, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(der) == 0 || len(der) > maxCSR {
		return nil, problem(acme.BadCSR, 0, "csr is not a certificate request in DER, base64url-encoded without padding")
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, &acme.Problem{Type: acme.BadCSR, Detail: "the certificate request cannot be read", Cause: err}
	}
	return csr, nil
}

// issue takes a Processing order through the authority's pipeline, and records what came of it. It returns the order as
// it is then, and an error for the client that does not get its certificate now.
func (s *Server) issue(ctx context.Context, ca *authority.Authority, j *job) (*acme.Order, error) {
	ctx, cancel := context.WithTimeout(ctx, issuing)
	defer cancel()
	o := j.order
	csr, err := x509.ParseCertificateRequest(o.CSR)
	if err != nil {
		return o, err
	}
	got, err := s.ask(ctx, ca, &ticket{order: o, auths: j.auths, account: j.account}, csr)
	if errors.Is(err, errTwice) {
		return o, nil // this node is at it
	}
	if e, ok := errors.AsType[*authority.Error](err); ok && e.Code == "spent" {
		// Somebody came as far as reserving, and ended or lost the connection before anybody heard of it.
		got, err = ca.Find(ctx, keyID(csr), o.ID)
	}
	next := *o
	next.Due = time.Time{}
	var told error
	switch k := authority.KindOf(err); {
	case err == nil:
		next.Status, next.Serial, next.Error = acme.Valid, string(got.Record.Serial), nil
	case k == authority.Unavailable: // later, by whoever looks
		next.Due = time.Now().Add(retryIssue)
	case k == authority.BadRequest || k == authority.Denied:
		// The CSR may be at fault, and another one may do. The order is ready again.
		next.Status, next.CSR = acme.Pending, nil
		p := problemOf(err)
		if k == authority.BadRequest || !aboutNames(err) {
			p.Type, p.Status = acme.BadCSR, 0
		}
		told = p
	default:
		p := *problemOf(err)
		told = &p
		next.Status, next.Error = acme.Invalid, &acme.Problem{Type: p.Type, Detail: p.Detail, Status: p.Status}
	}
	if uerr := s.c.Store.UpdateOrder(context.WithoutCancel(ctx), nil, &next); uerr != nil {
		// It stays Processing, and is found again when it is due: what was issued is found by its request id.
		s.c.Logger.ErrorContext(ctx, "acme: outcome of an order not recorded", "order", o.ID, "error", uerr)
		return o, nil
	}
	if told != nil {
		s.c.Logger.InfoContext(ctx, "acme: order failed", "order", o.ID, "error", err)
		tellOrder(ctx, ca, event.OrderFailed, &next, problemOf(told))
	}
	if got != nil {
		s.keep(ca, &next, got.Record)
	}
	return &next, told
}

var errTwice = errors.New("acme/server: the order is being issued for")

// ask has the authority issue for a ticket. It is the authority's own configuration that says which server is asked about
// it in turn: another one than s, if that was replaced since the request came in.
func (s *Server) ask(ctx context.Context, ca *authority.Authority, t *ticket, csr *x509.CertificateRequest) (*authority.Certificate, error) {
	o := t.order
	if _, twice := s.tickets.LoadOrStore(o.ID, t); twice {
		return nil, errTwice
	}
	defer s.tickets.CompareAndDelete(o.ID, t)
	got, err := ca.Issue(ctx, &authority.Request{
		Provisioner: s.c.Name, Profile: o.Profile, Token: o.ID, CSR: csr, RequestID: o.ID,
		NotBefore: authority.When{Time: o.NotBefore}, NotAfter: authority.When{Time: o.NotAfter},
	})
	if e, ok := errors.AsType[*authority.Error](err); ok && e.Code == foreign().Code {
		if next := s.successor(ca); next != nil {
			return next.ask(ctx, ca, t, csr)
		}
	}
	return got, err
}

// successor is the server that has taken the place of s in the authority's configuration; nil: nobody has.
func (s *Server) successor(ca *authority.Authority) *Server {
	for _, p := range ca.Provisioners() {
		if n, ok := provisioner.As[*Server](p); ok && n != s && n.c.Name == s.c.Name {
			return n
		}
	}
	return nil
}

// issuing bounds one attempt, a slow signer included.
const issuing = 90 * time.Second

// retryIssue is when an issuance is tried again for which the authority was not available.
const retryIssue = 5 * time.Second

// aboutNames reports whether a refusal is one of names, which no other CSR would change.
func aboutNames(err error) bool {
	e, ok := errors.AsType[*authority.Error](err)
	return ok && (e.Step == authority.StepDecide || e.Step == authority.StepLookup)
}

// keyID is what records have of a CSR's key.
func keyID(csr *x509.CertificateRequest) string {
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
