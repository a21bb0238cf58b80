package authority

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-ca/chancery/kms"
)

// Root is a root certificate to be made.
type Root struct {
	Subject    pkix.Name     // needs a common name
	Life       time.Duration // 0: ten years
	MaxPathLen int           // how many CAs may stand between it and a leaf; 0: none, it issues leaves itself
}

// SelfSign makes the root certificate of a key. It is the one signature that passes no pipeline, since
// there is no authority yet: everything else that the key signs goes through [Authority.Issue]. The
// certificate begins a minute ago, for clocks that are behind.
func SelfSign(ctx context.Context, r Root, s kms.Signer) (*x509.Certificate, error) {
	if r.Life == 0 {
		r.Life = 10 * 365 * 24 * time.Hour
	}
	if r.Subject.CommonName == "" || r.Life < 0 || r.MaxPathLen < 0 {
		return nil, errors.New("authority: a root needs a common name, and neither life nor path length may be negative")
	}
	algorithm, _, err := kms.SignatureAlgorithm(s.Public())
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(s.Public())
	if err != nil {
		return nil, err
	}
	id, e := subjectKeyID(spki)
	if e != nil {
		return nil, e
	}
	begin := time.Now().Truncate(time.Second)
	c := &x509.Certificate{
		SerialNumber: newSerial(time.Now()), Subject: r.Subject, SignatureAlgorithm: algorithm, SubjectKeyId: id,
		NotBefore: begin.Add(-time.Minute), NotAfter: begin.Add(r.Life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: r.MaxPathLen, MaxPathLenZero: r.MaxPathLen == 0,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, s.Public(), kms.ToCrypto(ctx, s))
	if err != nil {
		return nil, fmt.Errorf("authority: signing the root: %w", err)
	}
	return x509.ParseCertificate(der)
}
