package sshca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	_ "crypto/sha256" // the hashes of the formats
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
)

// An Issuer is the key of one CA and the one type of certificates that it signs. It is immutable and safe
// for concurrent use.
type Issuer struct {
	typ    uint32
	key    ssh.PublicKey
	signer kms.Signer
	format string
	hash   crypto.Hash // zero: the message itself is signed
}

// NewIssuer makes an Issuer of certificates of that type, ssh.UserCert or ssh.HostCert. Keys are Ed25519,
// ECDSA on P-256, P-384 and P-521, and RSA from 3072 bits.
func NewIssuer(typ uint32, signer kms.Signer) (*Issuer, error) {
	if typ != ssh.UserCert && typ != ssh.HostCert {
		return nil, fmt.Errorf("sshca: %d is no type of certificate", typ)
	}
	if signer == nil {
		return nil, errors.New("sshca: no signer")
	}
	key, err := ssh.NewPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("sshca: %w", err)
	}
	if p := LintCAKey(key); p != nil {
		return nil, fmt.Errorf("sshca: %w", p)
	}
	i := &Issuer{typ: typ, key: key, signer: signer}
	if i.format, i.hash, err = signatureFormat(key); err != nil {
		return nil, err
	}
	return i, nil
}

// signatureFormat is how a key signs. SHA-1, which is what ssh-rsa as a format means, is not offered.
func signatureFormat(k ssh.PublicKey) (format string, hash crypto.Hash, err error) {
	switch k.Type() {
	case ssh.KeyAlgoED25519:
		return ssh.KeyAlgoED25519, 0, nil
	case ssh.KeyAlgoECDSA256:
		return ssh.KeyAlgoECDSA256, crypto.SHA256, nil
	case ssh.KeyAlgoECDSA384:
		return ssh.KeyAlgoECDSA384, crypto.SHA384, nil
	case ssh.KeyAlgoECDSA521:
		return ssh.KeyAlgoECDSA521, crypto.SHA512, nil
	case ssh.KeyAlgoRSA:
		return ssh.KeyAlgoRSASHA512, crypto.SHA512, nil
	}
	return "", 0, fmt.Errorf("sshca: a key of type %.60q signs no certificates", k.Type())
}

// Type returns ssh.UserCert or ssh.HostCert.
func (i *Issuer) Type() uint32 { return i.typ }

// Key returns the CA's public key.
func (i *Issuer) Key() ssh.PublicKey { return i.key }

// Encode completes c, with the CA's key and where it has none a nonce, judges it by [Lint], and returns
// the bytes that are to be signed.
func (i *Issuer) Encode(c *ssh.Certificate, rules Rules) ([]byte, error) {
	c.SignatureKey, c.Signature = i.key, nil
	if len(c.Nonce) == 0 {
		c.Nonce = newNonce()
	}
	if err := Lint(c, i.typ, rules); err != nil {
		return nil, err
	}
	b := c.Marshal()
	return b[:len(b)-4], nil // without the length of a signature that is not there
}

// newNonce is 32 characters of text, as step makes them, from 24 random bytes.
func newNonce() []byte {
	var b [24]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return base64.StdEncoding.AppendEncode(nil, b[:])
}

// Sign signs what Encode returned. The context is the caller's; a kms.Signer honours it.
func (i *Issuer) Sign(ctx context.Context, encoded []byte) (*ssh.Signature, error) {
	return sign(ctx, i.signer, encoded, i.format, i.hash)
}

// Sign signs a message as SSH keys do: RSA with SHA-512.
func Sign(ctx context.Context, signer kms.Signer, message []byte) (*ssh.Signature, error) {
	k, err := ssh.NewPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("sshca: %w", err)
	}
	format, hash, err := signatureFormat(k)
	if err != nil {
		return nil, err
	}
	return sign(ctx, signer, message, format, hash)
}

func sign(ctx context.Context, signer kms.Signer, message []byte, format string, hash crypto.Hash) (*ssh.Signature, error) {
	digest := message
	if hash != 0 {
		h := hash.New()
		h.Write(message)
		digest = h.Sum(nil)
	}
	blob, err := signer.Sign(ctx, digest, hash)
	if err != nil {
		return nil, err
	}
	if hash != 0 && format != ssh.KeyAlgoRSASHA512 { // RFC 5656, section 3.1.2
		var rs struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(blob, &rs); err != nil || len(rest) > 0 {
			return nil, errors.New("sshca: the signer returned no ECDSA signature")
		}
		blob = ssh.Marshal(rs)
	}
	return &ssh.Signature{Format: format, Blob: blob}, nil
}

// Assemble puts the two halves together and reads back what came out: the certificate is the encoded one,
// and the signature is the CA's. It returns the certificate, and its wire form.
func (i *Issuer) Assemble(encoded []byte, s *ssh.Signature) (*ssh.Certificate, []byte, error) {
	signature := ssh.Marshal(s)
	wire := append(bytes.Clone(encoded), ssh.Marshal(struct{ S []byte }{signature})...)
	c, err := Parse(wire)
	switch {
	case err != nil:
		return nil, nil, err
	case !bytes.Equal(ssh.Marshal(c.Signature), signature): // what is before it, then, is all that was encoded
		return nil, nil, errors.New("sshca: the certificate is not what was encoded")
	case !signedBy(c, encoded, i.typ, i.key):
		return nil, nil, errors.New("sshca: the signature is not the CA's")
	}
	return c, wire, nil
}

// SignedBy reports whether c is of that type, names key as the one that signed it, and is right about
// that. It says nothing about the certificate's life.
func SignedBy(c *ssh.Certificate, typ uint32, key ssh.PublicKey) bool {
	return c != nil && c.Key != nil && c.SignatureKey != nil && signedBy(c, Unsigned(c), typ, key)
}

// signedBy is SignedBy for a certificate whose bytes before the signature are known.
func signedBy(c *ssh.Certificate, unsigned []byte, typ uint32, key ssh.PublicKey) bool {
	if c.CertType != typ || c.Signature == nil || !bytes.Equal(c.SignatureKey.Marshal(), key.Marshal()) {
		return false
	}
	switch c.Signature.Format {
	case ssh.KeyAlgoRSA: // SHA-1
		return false
	}
	return key.Verify(unsigned, c.Signature) == nil
}

// Unsigned returns the bytes of c that its signature covers.
func Unsigned(c *ssh.Certificate) []byte {
	own := *c
	own.Signature = nil
	b := own.Marshal()
	return b[:len(b)-4]
}

// maxWire is how long an encoded certificate may be: longer than any that Lint lets through.
const maxWire = 64 << 10

// Parse reads a certificate in wire form, and nothing else: a plain key is an error.
func Parse(wire []byte) (*ssh.Certificate, error) {
	if len(wire) > maxWire {
		return nil, errors.New("sshca: too long for a certificate")
	}
	k, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, errors.New("sshca: not a certificate")
	}
	c, ok := k.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("sshca: a key, where a certificate belongs")
	}
	if !bytes.Equal(c.Marshal(), wire) {
		return nil, errors.New("sshca: the certificate has another spelling")
	}
	return c, nil
}

// ParseKey reads a plain public key in wire form: a certificate is an error.
func ParseKey(wire []byte) (ssh.PublicKey, error) {
	if len(wire) > maxWire {
		return nil, errors.New("sshca: too long for a public key")
	}
	k, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, errors.New("sshca: not a public key")
	}
	if _, ok := k.(*ssh.Certificate); ok {
		return nil, errors.New("sshca: a certificate, where a public key belongs")
	}
	return k, nil
}

// UserExtensions are what step gives user certificates: everything that a login without a certificate
// may do. The map is the caller's.
func UserExtensions() map[string]string {
	return map[string]string{
		"permit-X11-forwarding": "", "permit-agent-forwarding": "", "permit-port-forwarding": "", "permit-pty": "", "permit-user-rc": "",
	}
}
