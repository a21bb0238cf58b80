package authority

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/chancery-ca/chancery/event"
)

// IssuerInfo is an issuer as those see it who make revocation data for it. What it points to is shared:
// do not change it.
type IssuerInfo struct {
	Name        string
	State       State
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // from Certificate up, without the root
	NotAfter    time.Time           // when the first of the chain ends
	Pointers    Pointers
}

// Issuers returns the issuers in the order of the configuration.
func (a *Authority) Issuers() []IssuerInfo {
	s := a.snapshot.Load()
	out := make([]IssuerInfo, 0, len(s.issuers))
	for _, i := range s.issuers {
		out = append(out, IssuerInfo{i.Name, i.State, i.cert, slices.Clone(i.chain), i.notAfter, i.Pointers.clone()})
	}
	return out
}

// Store returns the store that the authority was made with.
func (a *Authority) Store() Store { return a.store }

// Standing is what is known about a certificate when somebody asks whether it is good.
type Standing struct {
	Known      bool        // the issuer has issued it, as far as the store goes back
	Revocation *Revocation // nil: it is not revoked
	NotAfter   time.Time
}

// Standing returns what is known of a serial of an issuer. A reservation that is not settled yet is not
// known; one that was abandoned counts as revoked when it was made.
func (a *Authority) Standing(ctx context.Context, issuer string, serial Serial) (Standing, error) {
	if _, err := a.begin(); err != nil {
		return Standing{}, err
	}
	r, err := a.store.Certificate(ctx, serial)
	switch {
	case errors.Is(err, ErrNotFound):
		return Standing{}, nil
	case err != nil:
		return Standing{}, fault("", "looking up "+string(serial), err)
	case r.Issuer != issuer:
		return Standing{}, nil
	}
	st := Standing{Known: r.Status != Reserved, Revocation: r.Revocation, NotAfter: r.NotAfter}
	if r.Status == Abandoned && r.Revocation == nil {
		st.Revocation = &Revocation{Serial: serial, RevokedAt: r.ReservedAt}
	}
	return st, nil
}

// errStatus says that bytes are not what a signature was asked for.
var errStatus = errors.New("authority: the bytes to be signed are not what they should be")

// SignCRL signs a TBSCertList (RFC 5280, section 5.1.2) with the key of an issuer that is not retired, and
// returns the CertificateList. It refuses bytes that are not one of the issuer's own: another name, another
// algorithm, another version, or something that is no TBSCertList at all.
func (a *Authority) SignCRL(ctx context.Context, issuer string, tbs []byte) ([]byte, error) {
	i, err := a.statusIssuer(issuer)
	if err != nil {
		return nil, err
	}
	if err := a.confirmName(ctx, i.id, i.Name); err != nil {
		return nil, err
	}
	in := cryptobyte.String(tbs)
	var body, algorithm, name cryptobyte.String
	var version int
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !body.ReadASN1Element(&name, cbasn1.SEQUENCE) ||
		!isTime(&body) || !bytes.Equal(algorithm, i.algorithmID) || !bytes.Equal(name, i.cert.RawSubject) {
		return nil, fault("", "signing a CRL", errStatus)
	}
	signature, err := a.signStatus(ctx, i, tbs)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+256))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// SignOCSP signs a ResponseData of version 1 (RFC 6960, section 4.2.1) with the key of an issuer that is
// not retired, and returns the signature and the DER of its AlgorithmIdentifier.
func (a *Authority) SignOCSP(ctx context.Context, issuer string, responseData []byte) (signature, algorithm []byte, err error) {
	i, err := a.statusIssuer(issuer)
	if err != nil {
		return nil, nil, err
	}
	in := cryptobyte.String(responseData)
	var body, id cryptobyte.String
	var tag cbasn1.Tag
	byName, byKey := cbasn1.Tag(1).ContextSpecific().Constructed(), cbasn1.Tag(2).ContextSpecific().Constructed()
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadAnyASN1(&id, &tag) || tag != byName && tag != byKey ||
		!body.SkipASN1(cbasn1.GeneralizedTime) || !body.PeekASN1Tag(cbasn1.SEQUENCE) {
		return nil, nil, fault("", "signing an OCSP response", errStatus)
	}
	if signature, err = a.signStatus(ctx, i, responseData); err != nil {
		return nil, nil, err
	}
	return signature, slices.Clone(i.algorithmID), nil
}

// AlgorithmID returns the DER of the AlgorithmIdentifier that an issuer signs with.
func (a *Authority) AlgorithmID(issuer string) ([]byte, error) {
	i, err := a.statusIssuer(issuer)
	if err != nil {
		return nil, err
	}
	return slices.Clone(i.algorithmID), nil
}

func isTime(s *cryptobyte.String) bool {
	if s.PeekASN1Tag(cbasn1.GeneralizedTime) { // from 2050 on
		return s.SkipASN1(cbasn1.GeneralizedTime)
	}
	return s.SkipASN1(cbasn1.UTCTime)
}

// statusIssuer returns an issuer that may sign revocation data.
func (a *Authority) statusIssuer(name string) (*issuer, error) {
	s, err := a.begin()
	if err != nil {
		return nil, err
	}
	i := s.issuerByName[name]
	if i == nil || i.Signer == nil || i.State == Retired {
		return nil, refuse(NotFound, "", "issuer", "no issuer called %q signs revocation data", name)
	}
	return i, nil
}

// signStatus signs, and believes the signer only as far as the public key does.
func (a *Authority) signStatus(ctx context.Context, i *issuer, tbs []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	signature, err := i.sign(ctx, tbs)
	if err != nil {
		return nil, &Error{Kind: Unavailable, Step: StepSign, Code: "signer", Reason: "the signing key is not available", Err: err}
	}
	if err := i.cert.CheckSignature(i.algorithm, tbs, signature); err != nil {
		return nil, &Error{Kind: Internal, Step: StepCompare, Code: "drift", Reason: "the signature is not the issuer's", Err: err}
	}
	return signature, nil
}

// PublishCRL keeps a CRL that [Authority.SignCRL] signed, for every node to serve, and tells of it. A number
// that is not above those before it is of kind [Conflict]: another node was faster.
func (a *Authority) PublishCRL(ctx context.Context, c *CRL) error {
	s, err := a.begin()
	if err != nil {
		return err
	}
	posts := []Post{a.post(s, event.CRLPublished, c.Issuer, crlData(c))}
	if err := a.store.PutCRL(ctx, c, posts); err != nil {
		return fault("", "keeping a CRL", err)
	}
	a.publish(ctx, s, posts...)
	return nil
}

// algorithmID returns the DER of an AlgorithmIdentifier, read from what the algorithm signs.
func algorithmID(i *issuer) ([]byte, error) {
	tbs, err := tbsOf(&x509.Certificate{SerialNumber: newSerial(time.Now()), SignatureAlgorithm: i.algorithm, Subject: pkix.Name{CommonName: "."}}, i.cert, i.cert.PublicKey)
	if err != nil {
		return nil, err
	}
	var c struct {
		Version   int `asn1:"explicit,default:0,tag:0"`
		Serial    asn1.RawValue
		Algorithm asn1.RawValue
		Issuer    asn1.RawValue
		Validity  asn1.RawValue
		Subject   asn1.RawValue
		Key       asn1.RawValue
		Rest      []asn1.RawValue `asn1:"optional,omitempty,tag:3,explicit"`
	}
	if _, err := asn1.Unmarshal(tbs, &c); err != nil {
		return nil, err
	}
	return c.Algorithm.FullBytes, nil
}
