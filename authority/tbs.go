package authority

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// tbsOf returns the DER of the TBSCertificate that signing template with parent's key would sign. No
// key is used for it: x509.CreateCertificate hands the whole message to a crypto.MessageSigner, and
// this one keeps it and refuses to sign.
func tbsOf(template, parent *x509.Certificate, pub crypto.PublicKey) ([]byte, error) {
	k := &keeper{public: parent.PublicKey}
	_, err := x509.CreateCertificate(rand.Reader, template, parent, pub, k)
	if k.message == nil {
		return nil, err
	}
	return k.message, nil
}

type keeper struct {
	public  crypto.PublicKey
	message []byte
}

var errKept = errors.New("authority: kept, not signed")

func (k *keeper) Public() crypto.PublicKey { return k.public }

func (k *keeper) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errKept }

func (k *keeper) SignMessage(_ io.Reader, msg []byte, _ crypto.SignerOpts) ([]byte, error) {
	k.message = slices.Clone(msg)
	return nil, errKept
}

// assemble makes the DER of a certificate (RFC 5280, section 4.1) of its two halves. The algorithm is
// read from the TBSCertificate, so the two places that name it cannot differ.
func assemble(tbs, signature []byte) ([]byte, error) {
	in := cryptobyte.String(tbs)
	var body, serial, algorithm cryptobyte.String
	if !in.ReadASN1(&body, asn1.SEQUENCE) ||
		!body.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadASN1(&serial, asn1.INTEGER) ||
		!body.ReadASN1Element(&algorithm, asn1.SEQUENCE) {
		return nil, errors.New("authority: no TBSCertificate")
	}
	b := cryptobyte.NewFixedBuilder(make([]byte, 0, len(tbs)+len(algorithm)+len(signature)+16))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}
