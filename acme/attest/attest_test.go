package attest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/acme/attest"
	"github.com/chancery-ca/chancery/acme/attest/apple"
	"github.com/chancery-ca/chancery/acme/attest/tpm"
	"github.com/chancery-ca/chancery/acme/attest/yubikey"
)

const (
	token   = "dG9rZW4"
	keyAuth = token + ".thumbprint"
	serial  = "12345"
)

// maker is whoever makes devices: a root, and the keys of everybody.
type maker struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

func newMaker(t testing.TB) *maker {
	t.Helper()
	m := &maker{t: t, key: newKey(t)}
	m.root = m.certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, m.key.Public(), nil)
	return m
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// certify makes a certificate; without a parent it signs itself.
func (m *maker) certify(c *x509.Certificate, pub crypto.PublicKey, parent *x509.Certificate) *x509.Certificate {
	m.t.Helper()
	if parent == nil {
		parent = c
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, pub, m.key)
	require.NoError(m.t, err)
	out, err := x509.ParseCertificate(der)
	require.NoError(m.t, err)
	return out
}

func ext(oid asn1.ObjectIdentifier, value []byte) pkix.Extension {
	return pkix.Extension{Id: oid, Value: value}
}

func der(t testing.TB, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	require.NoError(t, err)
	return b
}

func payload(t testing.TB, format string, fields map[string]any) []byte {
	t.Helper()
	b, err := cbor.Marshal(map[string]any{"fmt": format, "attStmt": fields, "authData": []byte{1}})
	require.NoError(t, err)
	p, err := json.Marshal(map[string]string{"attObj": base64.RawURLEncoding.EncodeToString(b)})
	require.NoError(t, err)
	return p
}

// statement is a good one of a format, and the attested key.
type statement struct {
	format string
	fields map[string]any
	key    crypto.PublicKey
}

func (m *maker) apple(change func(c *x509.Certificate)) statement {
	nonce := sha256.Sum256([]byte(token))
	k := newKey(m.t)
	c := &x509.Certificate{ExtraExtensions: []pkix.Extension{
		ext(asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 9, 1}, []byte(serial)),
		ext(asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 9, 2}, []byte("udid-1")),
		ext(asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 11, 1}, nonce[:]),
	}}
	change(c)
	leaf := m.certify(c, k.Public(), m.root)
	return statement{"apple", map[string]any{"x5c": [][]byte{leaf.Raw}}, k.Public()}
}

func (m *maker) yubikey(change func(c *x509.Certificate)) statement {
	k := newKey(m.t)
	c := &x509.Certificate{ExtraExtensions: []pkix.Extension{ext(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}, der(m.t, 12345))}}
	change(c)
	leaf := m.certify(c, k.Public(), m.root)
	digest := sha256.Sum256([]byte(keyAuth))
	sig, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
	require.NoError(m.t, err)
	wrapped, err := cbor.Marshal(sig)
	require.NoError(m.t, err)
	return statement{"step", map[string]any{"x5c": [][]byte{leaf.Raw}, "alg": -7, "sig": wrapped}, k.Public()}
}

// tpm makes what a TPM would, with keys in software.
func (m *maker) tpm(change func(c *x509.Certificate, a *tpm2.TPMSAttest, p *tpm2.TPMTPublic)) statement {
	ak, k := newKey(m.t), newKey(m.t)
	c := &x509.Certificate{
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}},
		ExtraExtensions:    []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: m.tpmNames()}},
	}
	point, err := k.PublicKey.Bytes()
	require.NoError(m.t, err)
	p := &tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true},
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: point[1:33]}, Y: tpm2.TPM2BECCParameter{Buffer: point[33:]},
		}),
	}
	digest := sha256.Sum256([]byte(keyAuth))
	a := &tpm2.TPMSAttest{Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: digest[:]}}
	name, err := tpm2.ObjectName(p)
	require.NoError(m.t, err)
	a.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: *name})
	change(c, a, p)
	info := tpm2.Marshal(a)
	sum := sha256.Sum256(info)
	r, s, err := ecdsa.Sign(rand.Reader, ak, sum[:])
	require.NoError(m.t, err)
	sig := tpm2.Marshal(&tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
		Hash: tpm2.TPMAlgSHA256, SignatureR: tpm2.TPM2BECCParameter{Buffer: r.Bytes()}, SignatureS: tpm2.TPM2BECCParameter{Buffer: s.Bytes()},
	})})
	leaf := m.certify(c, ak.Public(), m.root)
	return statement{"tpm", map[string]any{
		"ver": "2.0", "alg": -7, "x5c": [][]byte{leaf.Raw}, "certInfo": info, "pubArea": tpm2.Marshal(p), "sig": sig,
	}, k.Public()}
}

func (m *maker) tpmNames() []byte {
	dir := pkix.RDNSequence{{
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 1}, Value: "id:53574B00"}, {Type: asn1.ObjectIdentifier{2, 23, 133, 2, 2}, Value: "model"},
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 3}, Value: "id:1"},
	}}
	id := der(m.t, struct {
		V string `asn1:"utf8"`
	}{serial})
	tagged := func(b []byte) []byte {
		return der(m.t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: b})
	}
	other := tagged(append(der(m.t, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3}), tagged(id)...))
	d := der(m.t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: der(m.t, dir)})
	return der(m.t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(d, other...)})
}

func (m *maker) validator() *attest.Validator {
	m.t.Helper()
	roots := []*x509.Certificate{m.root}
	a, err := apple.New(apple.Config{Roots: roots})
	require.NoError(m.t, err)
	p, err := tpm.New(tpm.Config{Roots: roots})
	require.NoError(m.t, err)
	y, err := yubikey.New(yubikey.Config{Roots: roots})
	require.NoError(m.t, err)
	v, err := attest.New(attest.Config{Formats: []attest.Format{a, p, y}})
	require.NoError(m.t, err)
	return v
}

func same(*x509.Certificate)                                        {}
func sameTPM(*x509.Certificate, *tpm2.TPMSAttest, *tpm2.TPMTPublic) {}
func validation(t testing.TB, s statement) *acme.Validation {
	return &acme.Validation{
		Identifier: acme.Identifier{Type: acme.PermanentIdentifier, Value: serial}, Token: token, KeyAuthorization: keyAuth,
		Payload: payload(t, s.format, s.fields),
	}
}

// good are statements that hold.
func (m *maker) good() map[string]statement {
	return map[string]statement{"apple": m.apple(same), "yubikey": m.yubikey(same), "tpm": m.tpm(sameTPM)}
}

func TestGood(t *testing.T) {
	m := newMaker(t)
	v := m.validator()
	for name, s := range m.good() {
		t.Run(name, func(t *testing.T) {
			e, err := v.Validate(t.Context(), validation(t, s))
			require.NoError(t, err, errors.Unwrap(err))
			spki, err := x509.MarshalPKIXPublicKey(s.key)
			require.NoError(t, err)
			sum := sha256.Sum256(spki)
			require.Equal(t, hex.EncodeToString(sum[:]), e.KeyID)
			require.Equal(t, s.format, e.Data["format"])
		})
	}
}

func TestForged(t *testing.T) {
	m, other := newMaker(t), newMaker(t)
	v := m.validator()
	expired := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	with := func(s statement, changes map[string]any) statement {
		s.fields = maps.Clone(s.fields)
		for k, v := range changes {
			if s.fields[k] = v; v == nil {
				delete(s.fields, k)
			}
		}
		return s
	}
	alien := func(s statement) []byte { return s.fields["x5c"].([][]byte)[0] }
	a, y, p := m.apple(same), m.yubikey(same), m.tpm(sameTPM)
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	require.NotNil(t, ed)
	for name, s := range map[string]statement{
		"apple: other root":       other.apple(same),
		"apple: expired":          m.apple(expired),
		"apple: other challenge":  m.apple(func(c *x509.Certificate) { c.ExtraExtensions[2].Value = make([]byte, 32) }),
		"apple: no challenge":     m.apple(func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[:2] }),
		"apple: other device":     m.apple(func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte("54321") }),
		"apple: no device":        m.apple(func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[2:] }),
		"apple: device not text":  m.apple(func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte{0xff, 0xfe} }),
		"apple: critical":         m.apple(func(c *x509.Certificate) { c.ExtraExtensions[1].Critical = true }),
		"apple: no chain":         with(a, map[string]any{"x5c": nil}),
		"apple: empty chain":      with(a, map[string]any{"x5c": [][]byte{}}),
		"apple: long chain":       with(a, map[string]any{"x5c": [][]byte{alien(a), {}, {}, {}, {}, {}, {}, {}, {}}}),
		"apple: chain of garbage": with(a, map[string]any{"x5c": [][]byte{{1, 2, 3}}}),
		"apple: chain of text":    with(a, map[string]any{"x5c": "chain"}),
		"yubikey: other root":     other.yubikey(same),
		"yubikey: expired":        m.yubikey(expired),
		"yubikey: other device":   m.yubikey(func(c *x509.Certificate) { c.ExtraExtensions[0].Value = der(t, 54321) }),
		"yubikey: negative":       m.yubikey(func(c *x509.Certificate) { c.ExtraExtensions[0].Value = der(t, -12345) }),
		"yubikey: other key":      with(y, map[string]any{"x5c": [][]byte{alien(m.yubikey(same))}}),
		"yubikey: no signature":   with(y, map[string]any{"sig": nil}),
		"yubikey: bare signature": with(y, map[string]any{"sig": []byte{1, 2, 3}}),
		"yubikey: as apple":       {"apple", y.fields, nil},
		"tpm: other root":         other.tpm(sameTPM),
		"tpm: version 1.2":        with(p, map[string]any{"ver": "1.2"}),
		"tpm: other key":          with(p, map[string]any{"pubArea": m.tpm(sameTPM).fields["pubArea"]}),
		"tpm: other signature":    with(p, map[string]any{"sig": m.tpm(sameTPM).fields["sig"]}),
		"tpm: other info":         with(p, map[string]any{"certInfo": m.tpm(sameTPM).fields["certInfo"]}),
		"tpm: no signature":       with(p, map[string]any{"sig": nil}),
		"tpm: empty signature":    with(p, map[string]any{"sig": []byte{}}),
		"tpm: much":               with(p, map[string]any{"certInfo": make([]byte, 5000)}),
		"tpm: garbage":            with(p, map[string]any{"pubArea": []byte{1, 2, 3}}),
		"tpm: expired":            m.tpm(func(c *x509.Certificate, _ *tpm2.TPMSAttest, _ *tpm2.TPMTPublic) { expired(c) }),
		"tpm: other challenge": m.tpm(func(_ *x509.Certificate, a *tpm2.TPMSAttest, _ *tpm2.TPMTPublic) {
			a.ExtraData.Buffer = make([]byte, 32)
		}),
		"tpm: no usage": m.tpm(func(c *x509.Certificate, _ *tpm2.TPMSAttest, _ *tpm2.TPMTPublic) { c.UnknownExtKeyUsage = nil }),
		"tpm: subject":  m.tpm(func(c *x509.Certificate, _ *tpm2.TPMSAttest, _ *tpm2.TPMTPublic) { c.Subject.CommonName = "x" }),
		"tpm: no names": m.tpm(func(c *x509.Certificate, _ *tpm2.TPMSAttest, _ *tpm2.TPMTPublic) { c.ExtraExtensions = nil }),
		"tpm: other names": m.tpm(func(c *x509.Certificate, _ *tpm2.TPMSAttest, _ *tpm2.TPMTPublic) {
			c.ExtraExtensions, c.DNSNames = nil, []string{"a.test"}
		}),
		"tpm: quote": m.tpm(func(_ *x509.Certificate, a *tpm2.TPMSAttest, _ *tpm2.TPMTPublic) {
			a.Type = tpm2.TPMSTAttestQuote
			a.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestQuote, &tpm2.TPMSQuoteInfo{})
		}),
		"tpm: key that can leave": m.tpm(func(_ *x509.Certificate, a *tpm2.TPMSAttest, p *tpm2.TPMTPublic) {
			p.ObjectAttributes.FixedTPM = false
			name, err := tpm2.ObjectName(p)
			require.NoError(t, err)
			a.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: *name})
		}),
		"unknown format": {"packed", a.fields, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := v.Validate(t.Context(), validation(t, s))
			require.Nil(t, e)
			q, ok := errors.AsType[*acme.Problem](err)
			require.True(t, ok, err)
			require.Equal(t, acme.BadAttestationStatement, q.Type)
		})
	}
	for name, b := range map[string]string{
		"empty": "", "no object": "{}", "error": `{"error":"no"}`, "padded": `{"attObj":"oA=="}`, "no CBOR": `{"attObj":"__8"}`, "no JSON": "x", "list": `{"attObj":"gA"}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := validation(t, a)
			c.Payload = []byte(b)
			_, err := v.Validate(t.Context(), c)
			_, ok := errors.AsType[*acme.Problem](err)
			require.True(t, ok, err)
		})
	}
}

// Whatever is cut off or added, nothing holds and nothing breaks.
func TestTruncated(t *testing.T) {
	m := newMaker(t)
	v := m.validator()
	for name, s := range m.good() {
		t.Run(name, func(t *testing.T) {
			b, err := cbor.Marshal(map[string]any{"fmt": s.format, "attStmt": s.fields})
			require.NoError(t, err)
			c := validation(t, s)
			for n := range len(b) {
				c.Payload = []byte(`{"attObj":"` + base64.RawURLEncoding.EncodeToString(b[:n]) + `"}`)
				_, err := v.Validate(t.Context(), c)
				require.Error(t, err)
			}
			c.Payload = []byte(`{"attObj":"` + base64.RawURLEncoding.EncodeToString(append(b, 0)) + `"}`)
			_, err = v.Validate(t.Context(), c)
			require.Error(t, err)
		})
	}
}

func TestConformance(t *testing.T) {
	m := newMaker(t)
	acmetest.Validator(t, acmetest.ValidatorCase{
		Validator: m.validator(),
		Good:      func(t *testing.T) *acme.Validation { return validation(t, m.yubikey(same)) },
		Bad: func(t *testing.T) *acme.Validation {
			return validation(t, m.apple(func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte("secret-device") }))
		},
		Secret: "secret-device",
	})
}

func FuzzStatement(f *testing.F) {
	if seeds, err := os.ReadDir("testdata/fuzz/" + f.Name()); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	m := newMaker(f)
	v := m.validator()
	for _, s := range m.good() {
		b, err := cbor.Marshal(map[string]any{"fmt": s.format, "attStmt": s.fields})
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		c := &acme.Validation{
			Identifier: acme.Identifier{Type: acme.HardwareModule, Value: serial}, Token: token, KeyAuthorization: keyAuth + "other",
			Payload: []byte(`{"attObj":"` + base64.RawURLEncoding.EncodeToString(object) + `"}`),
		}
		e, err := v.Validate(t.Context(), c)
		if err == nil && e.Data["format"] != "apple" { // whose challenge is the token alone
			t.Fatal("a statement for another challenge holds")
		}
	})
}

func Example() {
	_, err := attest.New(attest.Config{})
	os.Stdout.WriteString(err.Error() + "\n")
	// Output: attest: no format is accepted
}
