package ocsp

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// How responder certificates are got.
const (
	minute      = time.Minute
	firstRetry  = time.Second // after a failure; doubled with each further one
	lastRetry   = 5 * time.Minute
	obtainLimit = 30 * time.Second // for one attempt; it goes on if whoever began it has gone
)

// ecdsaWithSHA256 is the DER of its AlgorithmIdentifier (RFC 5758, section 3.2).
var ecdsaWithSHA256 = []byte{0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}

// signer signs answers about the certificates of one issuer.
type signer struct {
	id          [20]byte // SHA-1 of its key
	certificate []byte   // DER; nil: the issuer itself
	notAfter    time.Time
	renewAt     time.Time
	sign        func(ctx context.Context, data []byte) (signature, algorithm []byte, err error)
}

// usable reports whether what is signed now can be verified for a while.
func (s *signer) usable(now time.Time) bool { return s != nil && now.Add(minute).Before(s.notAfter) }

// delegate holds the responder certificate of one issuer, and gets the next one.
type delegate struct {
	mu       sync.Mutex
	current  *signer       // nil: none yet
	busy     chan struct{} // closed when the attempt under way ends; nil: there is none
	retry    time.Time     // no attempt before that
	failures int
}

// signerOf returns who signs for an issuer.
func (r *Responder) signerOf(ctx context.Context, i *issuer) (*signer, error) {
	if !time.Now().Before(i.signer.Certificate.NotAfter) {
		return nil, Unauthorized // nobody can verify any more what it signs
	}
	if i.delegate != nil && !r.o.Direct {
		s, err := r.delegated(ctx, i, 0)
		if err == nil || !r.o.Fallback {
			return s, err
		}
	}
	return r.itself(i), nil
}

// errReconfigured is told as tryLater: the next question finds the issuer as it is then.
var errReconfigured = fmt.Errorf("ocsp: the issuer was changed meanwhile: %w", TryLater)

// itself is an issuer that signs with its own key. The authority signs for whoever has the name by then, who
// must be the one whose certificates were asked about.
func (r *Responder) itself(i *issuer) *signer {
	is := func() bool {
		return slices.ContainsFunc(r.a.Issuers(), func(o authority.IssuerInfo) bool {
			return o.Name == i.signer.Name && o.Certificate.Equal(i.signer.Certificate)
		})
	}
	return &signer{id: i.responder, notAfter: i.signer.Certificate.NotAfter, sign: func(ctx context.Context, data []byte) ([]byte, []byte, error) {
		if !is() {
			return nil, nil, errReconfigured
		}
		signature, algorithm, err := r.a.SignOCSP(ctx, i.signer.Name, data)
		if err == nil && !is() {
			return nil, nil, errReconfigured
		}
		return signature, algorithm, err
	}}
}

// delegated returns the responder that an issuer has delegated to, renewed if two thirds of its certificate's
// life are over, or will be after the time early. One of all who want that does it. The others wait only if
// there is nothing to sign with, and a failure is not repeated before some time has passed.
func (r *Responder) delegated(ctx context.Context, i *issuer, early time.Duration) (*signer, error) {
	d := i.delegate
	for {
		now := time.Now()
		d.mu.Lock()
		s, busy := d.current, d.busy
		usable := s.usable(now)
		switch {
		case usable && (now.Add(early).Before(s.renewAt) || busy != nil || now.Before(d.retry)):
			d.mu.Unlock()
			return s, nil
		case busy == nil && now.Before(d.retry):
			d.mu.Unlock()
			return nil, TryLater
		case busy == nil:
			d.busy = make(chan struct{})
			d.mu.Unlock()
			if err := r.renew(ctx, i); err != nil && !usable {
				return nil, err
			}
			continue // once more: there is a new one, or the next attempt has to wait
		}
		d.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, TryLater
		}
	}
}

// renew gets a responder certificate for the one who made d.busy.
func (r *Responder) renew(ctx context.Context, i *issuer) (err error) {
	d := i.delegate
	var s *signer
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		close(d.busy)
		d.busy = nil
		if s != nil {
			// Also one that ends soon, because the issuer does, is not replaced at every request.
			d.current, d.failures, d.retry = s, 0, time.Now().Add(minute)
			return
		}
		d.retry = time.Now().Add(min(firstRetry<<min(d.failures, 16), lastRetry))
		d.failures++
	}()
	// Others depend on it, so it does not end with the request that happened to be the first.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), obtainLimit)
	defer cancel()
	if s, err = r.obtain(ctx, i); err != nil {
		r.o.Logger.ErrorContext(ctx, "no OCSP responder certificate", "issuer", i.signer.Name, "error", err)
		return TryLater
	}
	return nil
}

// obtain makes a key and has it certified.
func (r *Responder) obtain(ctx context.Context, i *issuer) (*signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c, err := r.a.IssueResponder(ctx, i.signer.Name, key)
	if err != nil {
		return nil, err
	}
	leaf := c.Leaf
	// The authority may have been given another issuer by that name meanwhile: clients accept only one whose
	// issuer is that of the certificate they ask about (RFC 6960, section 4.2.2.2).
	if err := leaf.CheckSignatureFrom(i.signer.Certificate); err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(leaf.PublicKey) || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
		return nil, errors.New("ocsp: the certificate is not one for this responder")
	}
	s := &signer{id: sumSHA1(keyBits(leaf)), certificate: leaf.Raw, notAfter: leaf.NotAfter}
	if i.signer.Certificate.NotAfter.Before(s.notAfter) {
		s.notAfter = i.signer.Certificate.NotAfter
	}
	now := time.Now()
	if !s.usable(now) {
		return nil, errors.New("ocsp: the responder certificate ends at once")
	}
	s.renewAt = now.Add(s.notAfter.Sub(now) * 2 / 3)
	s.sign = func(_ context.Context, data []byte) ([]byte, []byte, error) {
		digest := sha256.Sum256(data)
		signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		return signature, ecdsaWithSHA256, err
	}
	return s, nil
}
