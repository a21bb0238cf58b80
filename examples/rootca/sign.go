package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/internal/ceremony"
	"github.com/chancery-ca/chancery/internal/x509lint"
	"github.com/chancery-ca/chancery/provisioner"
)

func signIntermediate(ctx context.Context, args []string, t *terminal) (err error) {
	f := newFlags("sign-intermediate", t)
	years := f.Int("years", 10, "the certificate's life; it never outlives the root")
	pathLen := f.Int("path-len", 0, "how many CAs may stand between the certificate and a leaf")
	out := f.String("out", "", "`file` for the certificate; required, and must not exist")
	yes := f.Bool("yes", false, "do not ask")
	if err := f.parse(args, "CSR"); err != nil {
		return err
	}
	if *out == "" {
		return errors.New("sign-intermediate wants -out")
	}
	if _, err := os.Lstat(*out); err == nil {
		return fmt.Errorf("%s exists", *out)
	}
	csr, err := readRequest(f.Arg(0))
	if err != nil {
		return err
	}
	r, err := f.open(ctx, t, *pathLen, time.Duration(*years)*year)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()

	if most := r.cert.MaxPathLen - 1; most >= -1 && *pathLen > most {
		return fmt.Errorf("there is no room for a path length of %d below %s, only for %d", *pathLen, r.cert.Subject, most)
	}
	x := r.ca.Explain(ctx, ceremony.SignRequest(csr, authority.When{}))
	if x.Err != nil {
		return x.Err
	}
	r.summary(x.Template, csr)
	if !*yes {
		if err := t.confirm("Sign it?"); err != nil {
			return err
		}
	}
	c, err := ceremony.Sign(ctx, r.ca, csr, authority.When{})
	if err != nil {
		return err
	}
	if err := writeNew(*out, encode(c.Leaf)); err != nil {
		return fmt.Errorf("signed and recorded as %s, but not written: %w", c.Record.Serial, err)
	}
	fmt.Fprintf(t.out, "Signed.\n\n  Certificate  %s\n  Serial       0x%s\n  Fingerprint  %s\n", *out, c.Record.Serial, stepconfig.Fingerprint(c.Leaf))
	return nil
}

// summary says in words what is about to be signed.
func (r *root) summary(c *x509.Certificate, csr *x509.CertificateRequest) {
	w := r.t.out
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	fmt.Fprintf(w, "About to sign, as %s (valid until %s):\n\n", r.cert.Subject, day(r.cert.NotAfter))
	fmt.Fprintf(w, "  Subject      %s\n", c.Subject)
	fmt.Fprintf(w, "  Key          %s\n", describe(csr.PublicKey))
	fmt.Fprintf(w, "               SHA-256 of the public key: %s\n", hex.EncodeToString(sum[:]))
	fmt.Fprintf(w, "  Valid        %s to %s\n", day(c.NotBefore), day(c.NotAfter))
	below := "only leaves below it"
	if c.MaxPathLen > 0 {
		below = fmt.Sprintf("leaves and up to %d further CAs below it", c.MaxPathLen)
	}
	fmt.Fprintf(w, "  What it is   a CA: signs certificates and CRLs, %s\n", below)
	for _, name := range provisioner.NamesOf(c).Strings() {
		fmt.Fprintf(w, "  Name         %s\n", name) // none, or the request was refused
	}
	fmt.Fprintln(w)
}

func describe(k crypto.PublicKey) string {
	switch k := k.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA, %d bits", k.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", k)
}

// maxRequest is far above any CSR.
const maxRequest = 64 << 10

// readRequest reads a CSR and refuses one that is not for a CA.
func readRequest(path string) (*x509.CertificateRequest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRequest))
	if err != nil {
		return nil, err
	}
	p, _ := pem.Decode(b)
	if p == nil || p.Type != "CERTIFICATE REQUEST" && p.Type != "NEW CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("%s is no certificate request in PEM", path)
	}
	csr, err := x509.ParseCertificateRequest(p.Bytes)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(csr.CheckSignature(), x509lint.PublicKey(csr.PublicKey), wantsCA(csr)); err != nil {
		return nil, fmt.Errorf("%s is refused: %w", path, err)
	}
	return csr, nil
}

var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// wantsCA refuses a request that asks for anything but a CA certificate.
func wantsCA(csr *x509.CertificateRequest) error {
	var errs []error
	if csr.Subject.CommonName == "" {
		errs = append(errs, errors.New("a CA needs a common name"))
	}
	for _, e := range csr.Extensions {
		switch {
		case e.Id.Equal(oidBasicConstraints):
			errs = append(errs, wantsBasicConstraints(e))
		case e.Id.Equal(oidKeyUsage):
			var bits asn1.BitString
			if rest, err := asn1.Unmarshal(e.Value, &bits); err != nil || len(rest) > 0 || bits.At(5) == 0 {
				errs = append(errs, errors.New("it asks for a key usage without certificate signing: that is no CA"))
			}
		case e.Id.Equal(oidSubjectKeyID): // made here, by one rule
		case e.Id.Equal(oidSubjectAltName):
			errs = append(errs, errors.New("it asks for subject alternative names: that is a leaf"))
		case e.Id.Equal(oidExtKeyUsage):
			errs = append(errs, errors.New("it asks for an extended key usage: that is a leaf"))
		default:
			errs = append(errs, fmt.Errorf("it asks for extension %s, which is not given", e.Id))
		}
	}
	return errors.Join(errs...)
}

func wantsBasicConstraints(e pkix.Extension) error {
	var bc struct {
		IsCA       bool `asn1:"optional"`
		MaxPathLen int  `asn1:"optional,default:-1"`
	}
	if rest, err := asn1.Unmarshal(e.Value, &bc); err != nil || len(rest) > 0 {
		return errors.New("its basic constraints cannot be read")
	}
	if !bc.IsCA {
		return errors.New("it asks for CA:FALSE: that is a leaf")
	}
	return nil
}
