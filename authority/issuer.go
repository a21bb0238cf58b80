package authority

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/internal/x509lint"
	"github.com/chancery-ca/chancery/kms"
)

// issuer is an Issuer that was found good.
type issuer struct {
	Issuer
	cert      *x509.Certificate
	chain     []*x509.Certificate // from cert up, without the root
	notAfter  time.Time           // when the first of cert and chain ends
	algorithm x509.SignatureAlgorithm
	hash      crypto.Hash
	rules     *x509lint.Issuer

	algorithmID []byte // DER of the AlgorithmIdentifier of algorithm
	id          string // what its CRLs are known by to whoever checks them: digest of subject and public key
}

func newIssuer(c Issuer, roots []*x509.Certificate) (*issuer, error) {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Name == "" {
		add("no name")
	}
	if len(c.Chain) == 0 {
		return nil, errors.Join(append(faults, errors.New("no certificate"))...)
	}
	if slices.Contains(c.Chain, nil) {
		return nil, errors.New("a certificate is nil")
	}
	i := &issuer{Issuer: c, cert: c.Chain[0], notAfter: c.Chain[0].NotAfter}
	sum := sha256.Sum256(append(slices.Clone(i.cert.RawSubject), i.cert.RawSubjectPublicKeyInfo...))
	i.id = hex.EncodeToString(sum[:])
	for _, k := range c.Chain {
		if k.NotAfter.Before(i.notAfter) {
			i.notAfter = k.NotAfter
		}
		if !bytes.Equal(k.RawIssuer, k.RawSubject) {
			i.chain = append(i.chain, k)
		}
	}
	if len(i.chain) == 0 { // a root that issues by itself
		i.chain = nil
	}
	faults = append(faults, c.Pointers.check()...)
	var err error
	if i.rules, err = x509lint.NewIssuer(c.Chain, roots); err != nil {
		faults = append(faults, err)
	}
	if c.Signer == nil {
		if c.State != Retired {
			add("no signer")
		}
		return i, errors.Join(faults...)
	}
	pub, ok := i.cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(c.Signer.Public()) {
		add("the signer's key is not the certificate's")
	}
	if i.algorithm, i.hash, err = kms.SignatureAlgorithm(c.Signer.Public()); err != nil {
		faults = append(faults, err)
	} else if i.algorithmID, err = algorithmID(i); err != nil {
		faults = append(faults, err)
	}
	return i, errors.Join(faults...)
}

// sign signs what a draft recorded. The context is the caller's; a kms.Signer honours it.
func (i *issuer) sign(ctx context.Context, tbs []byte) ([]byte, error) {
	digest := tbs
	if i.hash != 0 {
		h := i.hash.New()
		h.Write(tbs)
		digest = h.Sum(nil)
	}
	return i.Signer.Sign(ctx, digest, i.hash)
}
