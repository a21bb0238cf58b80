package provisionertest

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/provisioner"
)

// Harness is a provisioner to be tested, and the means of asking it well.
type Harness struct {
	Provisioner provisioner.Provisioner

	// Good makes requests that must be granted, each with a new credential, by operation. Operations that
	// are not there must always be refused. Requests with tokens must say Audiences and Roots.
	Good map[provisioner.Operation]func() *provisioner.Request

	// Tokens is how the tokens in Good are signed; nil when there are none. They are judged as step's
	// one-time tokens: see provisioner.Claims.
	Tokens *Tokens

	// AnyName says that the provisioner grants whatever a CSR asks for.
	AnyName bool

	// WithRenewal makes the same provisioner with other rules of renewal; nil skips their tests.
	WithRenewal func(provisioner.Renewal) provisioner.Provisioner
}

// Tokens says how the tokens of a harness are made, so that the suite can make bad ones.
type Tokens struct {
	Key       crypto.Signer // EC, Ed25519 or RSA
	Algorithm jose.SignatureAlgorithm
	Stranger  crypto.Signer // a key of the same kind that the provisioner does not know
}

// A probe is one thing that must hold; it returns what does not.
type probe struct {
	name string
	run  func(h *Harness) error
}

// Run tests the provisioner that open makes, which is asked for a new one for each test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, p := range probes() {
		t.Run(p.name, func(t *testing.T) {
			h := open(t)
			if err := p.run(&h); err != nil {
				t.Error(err)
			}
		})
	}
}

func probes() []probe {
	all := []probe{
		{"has a name", named},
		{"grants what it should", good},
		{"refuses the zero request", zero},
		{"refuses operations that it does not know", unknown},
		{"refuses without credential", noCredential},
		{"grants no more names than it may", moreNames},
		{"leaves the request alone", unchanged},
		{"stands many at once", concurrent},
	}
	all = append(all, sshProbes()...)
	all = append(all, renewalProbes()...)
	return append(all, tokenProbes()...)
}

func named(h *Harness) error {
	if n := h.Provisioner.Name(); n == "" || n != h.Provisioner.Name() {
		return fmt.Errorf("name %q is empty or not stable", n)
	}
	return nil
}

func good(h *Harness) error {
	for op, request := range h.Good {
		g, err := h.Provisioner.Authorize(context.Background(), request())
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if g == nil {
			return fmt.Errorf("%s: neither grant nor refusal", op)
		}
		if op == provisioner.X509Sign && g.Subject == "" && g.Names.Len() == 0 && !g.AnyName {
			return fmt.Errorf("%s: an empty grant", op)
		}
	}
	return nil
}

func zero(h *Harness) error { return refused(h.Provisioner, &provisioner.Request{}) }

func unknown(h *Harness) error {
	ops := []provisioner.Operation{"", "x509", "x509/sign ", "X509/SIGN", "x509/SIGN", "SSH/sign", "ssh/unheard-of", "x509/unheard-of"}
	for _, op := range provisioner.Operations() {
		if h.Good[op] == nil {
			ops = append(ops, op)
		}
	}
	for _, op := range ops {
		for from, request := range h.Good {
			r := request()
			r.Operation = op
			if err := refused(h.Provisioner, r); err != nil {
				return fmt.Errorf("a request for %q, asked as %q: %w", from, op, err)
			}
		}
	}
	return nil
}

// noCredential takes the credential away from good requests. A CSR alone is never one.
func noCredential(h *Harness) error {
	for op, request := range h.Good {
		r := request()
		if r.Token == "" && r.Proof == provisioner.NoProof && !r.Local {
			continue // it is of another kind, which the suite does not know
		}
		r.Token, r.Local, r.Proof = "", false, provisioner.NoProof
		if err := refused(h.Provisioner, r); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return nil
}

func moreNames(h *Harness) error {
	request := h.Good[provisioner.X509Sign]
	if request == nil || h.AnyName {
		return nil
	}
	for _, csr := range greedy(request().CSR) {
		r := request()
		if _, bound := claimsOf(r.Token)["cnf"]; bound {
			return nil
		}
		r.CSR = csr
		g, err := h.Provisioner.Authorize(context.Background(), r)
		if err != nil {
			if err := isRefusal(g, err, r); err != nil {
				return err
			}
			continue
		}
		if g.AnyName || csr.Subject.CommonName != "stranger.example" && provisioner.NamesOfCSR(csr).Without(g.Names).Len() == 0 {
			return fmt.Errorf("a CSR with more names got all of them")
		}
		if g.Subject == "stranger.example" && !r.Local {
			return fmt.Errorf("the subject comes from the CSR")
		}
	}
	return nil
}

func unchanged(h *Harness) error {
	for op, request := range h.Good {
		r := request()
		before := *r
		if _, err := h.Provisioner.Authorize(context.Background(), r); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if !reflect.DeepEqual(before, *r) {
			return fmt.Errorf("%s: Authorize changed the request", op)
		}
	}
	return nil
}

func concurrent(h *Harness) error {
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for op, request := range h.Good {
		r := request()
		for range 8 {
			wg.Go(func() {
				if _, err := h.Provisioner.Authorize(context.Background(), r); err != nil {
					errs <- fmt.Errorf("%s: %w", op, err)
				}
			})
			wg.Go(func() {
				bad := *r
				bad.Operation = "x509/unheard-of"
				if err := refused(h.Provisioner, &bad); err != nil {
					errs <- err
				}
			})
		}
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// refused expects that r is refused, properly.
func refused(p provisioner.Provisioner, r *provisioner.Request) error {
	g, err := p.Authorize(context.Background(), r)
	return isRefusal(g, err, r)
}

func isRefusal(g *provisioner.Grant, err error, r *provisioner.Request) error {
	if err == nil {
		return errors.New("it was granted")
	}
	if g != nil {
		return errors.New("there is a grant beside the refusal")
	}
	no, ok := errors.AsType[*provisioner.Refusal](err)
	if !ok {
		return fmt.Errorf("not a refusal: %w", err)
	}
	switch no.Kind {
	case provisioner.Unauthenticated, provisioner.NotAllowed, provisioner.BadRequest:
	default:
		return fmt.Errorf("refusal of kind %q", no.Kind)
	}
	if no.Code == "" || no.Reason == "" {
		return fmt.Errorf("refusal without code or reason: %+v", no)
	}
	for part := range strings.SplitSeq(r.Token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			return errors.New("the refusal quotes the token")
		}
	}
	return nil
}

func renewalProbes() []probe {
	each := func(change func(h *Harness, r *provisioner.Request) provisioner.Provisioner) func(*Harness) error {
		return func(h *Harness) error {
			for _, op := range []provisioner.Operation{provisioner.X509Renew, provisioner.X509Rekey} {
				if h.Good[op] == nil {
					continue
				}
				r := h.Good[op]()
				if p := change(h, r); p != nil {
					if err := refused(p, r); err != nil {
						return fmt.Errorf("%s: %w", op, err)
					}
				}
			}
			return nil
		}
	}
	return []probe{
		{"renewal/without certificate", each(func(h *Harness, r *provisioner.Request) provisioner.Provisioner {
			r.Certificate = nil
			return h.Provisioner
		})},
		{"renewal/without proof", each(func(h *Harness, r *provisioner.Request) provisioner.Provisioner {
			r.Proof = provisioner.NoProof
			return h.Provisioner
		})},
		{"renewal/before it is valid", each(func(h *Harness, r *provisioner.Request) provisioner.Provisioner {
			r.Now = r.Certificate.NotBefore.Add(-time.Second)
			return h.Provisioner
		})},
		{"renewal/disabled", each(func(h *Harness, r *provisioner.Request) provisioner.Provisioner {
			if h.WithRenewal == nil {
				return nil
			}
			return h.WithRenewal(provisioner.Renewal{Disabled: true, AfterExpiry: true})
		})},
		{"renewal/expired", each(func(h *Harness, r *provisioner.Request) provisioner.Provisioner {
			if h.WithRenewal == nil {
				return nil
			}
			r.Now = r.Certificate.NotAfter.Add(time.Second)
			return h.WithRenewal(provisioner.Renewal{})
		})},
		{"renewal/expired and allowed", func(h *Harness) error {
			if h.WithRenewal == nil || h.Good[provisioner.X509Renew] == nil {
				return nil
			}
			r := h.Good[provisioner.X509Renew]()
			r.Now, r.Proof = r.Certificate.NotAfter.Add(time.Hour), provisioner.JWSProof
			_, err := h.WithRenewal(provisioner.Renewal{AfterExpiry: true}).Authorize(context.Background(), r)
			return err
		}},
		{"revocation/by another certificate", func(h *Harness) error {
			if h.Good[provisioner.X509Revoke] == nil || h.Good[provisioner.X509Renew] == nil {
				return nil
			}
			r := h.Good[provisioner.X509Revoke]()
			if r.Local {
				return nil
			}
			r.Token, r.Certificate, r.Proof = "", h.Good[provisioner.X509Renew]().Certificate, provisioner.TLSProof
			for _, serial := range []string{"", "0", "1", "abcdef"} {
				r.Serial = serial
				if err := refused(h.Provisioner, r); err != nil {
					return fmt.Errorf("serial %q: %w", serial, err)
				}
			}
			r.Serial = r.Certificate.SerialNumber.Text(16)
			for _, proof := range []provisioner.Proof{provisioner.NoProof, provisioner.JWSProof} {
				r.Proof = proof
				if err := refused(h.Provisioner, r); err != nil {
					return fmt.Errorf("proof %d: %w", proof, err)
				}
			}
			return nil
		}},
	}
}
