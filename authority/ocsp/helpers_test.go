package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	oracle "golang.org/x/crypto/ocsp"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/kms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spy counts what a Responder wants of the authority, and can make it fail.
type spy struct {
	*authority.Authority
	standings, direct, issued atomic.Int64

	// Each may be nil; an error is the call's result.
	onStanding, onSign, afterSign, onIssue func(context.Context) error

	instead func(key crypto.Signer) (*authority.Certificate, error) // nil, or what IssueResponder does
}

func try(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (s *spy) Standing(ctx context.Context, issuer string, serial authority.Serial) (authority.Standing, error) {
	s.standings.Add(1)
	if err := try(ctx, s.onStanding); err != nil {
		return authority.Standing{}, err
	}
	return s.Authority.Standing(ctx, issuer, serial)
}

func (s *spy) SignOCSP(ctx context.Context, issuer string, data []byte) ([]byte, []byte, error) {
	s.direct.Add(1)
	if err := try(ctx, s.onSign); err != nil {
		return nil, nil, err
	}
	signature, algorithm, err := s.Authority.SignOCSP(ctx, issuer, data)
	return signature, algorithm, errors.Join(err, try(ctx, s.afterSign))
}

func (s *spy) IssueResponder(ctx context.Context, issuer string, key crypto.Signer) (*authority.Certificate, error) {
	s.issued.Add(1)
	if err := try(ctx, s.onIssue); err != nil {
		return nil, err
	}
	if s.instead != nil {
		return s.instead(key)
	}
	return s.Authority.IssueResponder(ctx, issuer, key)
}

// world is a CA with a responder.
type world struct {
	*authoritytest.CA
	t   testing.TB
	spy *spy
	*Responder
}

func newWorld(t testing.TB, o Options, options ...authoritytest.Option) *world {
	t.Helper()
	ca := authoritytest.New(t, options...)
	w := &world{CA: ca, t: t, spy: &spy{Authority: ca.Authority}}
	var err error
	w.Responder, err = newResponder(w.spy, o)
	require.NoError(t, err)
	return w
}

func (w *world) revoke(c *x509.Certificate, reason int) {
	w.t.Helper()
	_, err := w.Authority.Revoke(w.t.Context(), &authority.RevokeRequest{Serial: authority.SerialOf(c.SerialNumber), ReasonCode: reason, Local: true})
	require.NoError(w.t, err)
}

func (w *world) release(c *x509.Certificate) {
	w.t.Helper()
	require.NoError(w.t, w.Authority.Release(w.t.Context(), &authority.ReleaseRequest{Serial: authority.SerialOf(c.SerialNumber)}))
}

// question is a request as x/crypto/ocsp makes it.
func question(t testing.TB, cert, issuer *x509.Certificate, h crypto.Hash) []byte {
	t.Helper()
	der, err := oracle.CreateRequest(cert, issuer, &oracle.RequestOptions{Hash: h})
	require.NoError(t, err)
	return der
}

// post asks and returns what came over HTTP.
func post(h http.Handler, der []byte) *httptest.ResponseRecorder {
	q := httptest.NewRequest("POST", "/ocsp", bytes.NewReader(der))
	q.Header.Set("Content-Type", requestType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}

// says asks about cert and returns what x/crypto/ocsp makes of the answer, verified.
func (w *world) says(cert, issuer *x509.Certificate) *oracle.Response {
	w.t.Helper()
	res := post(w.Responder, question(w.t, cert, issuer, crypto.SHA256))
	require.Equal(w.t, http.StatusOK, res.Code)
	return w.parsed(res.Body.Bytes(), cert, issuer)
}

func (w *world) parsed(der []byte, cert, issuer *x509.Certificate) *oracle.Response {
	w.t.Helper()
	got, err := oracle.ParseResponseForCert(der, cert, issuer)
	require.NoError(w.t, err)
	if got.Certificate != nil {
		require.NoError(w.t, got.Certificate.CheckSignatureFrom(issuer))
		require.Contains(w.t, got.Certificate.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning)
	}
	now := time.Now()
	require.False(w.t, got.ThisUpdate.After(now))
	require.True(w.t, got.NextUpdate.After(now))
	return got
}

// refused is the status that an answer consists of.
func refused(t testing.TB, res *httptest.ResponseRecorder) Status {
	t.Helper()
	require.Equal(t, http.StatusOK, res.Code)
	require.Equal(t, "no-store", res.Header().Get("Cache-Control"))
	require.Equal(t, responseType, res.Header().Get("Content-Type"))
	b := res.Body.Bytes()
	require.Len(t, b, 5)
	require.Equal(t, []byte{0x30, 3, 0x0a, 1}, b[:4])
	return Status(b[4])
}

// The structures of RFC 6960 for encoding/asn1, which shares no code with the package's own codec.
type (
	wireRequest struct {
		TBS       wireTBS
		Signature asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	wireTBS struct {
		Version    int           `asn1:"explicit,tag:0,default:0,optional"`
		Requestor  asn1.RawValue `asn1:"explicit,tag:1,optional"`
		List       []wireSingle
		Extensions []pkix.Extension `asn1:"explicit,tag:2,optional"`
	}
	wireSingle struct {
		ID         wireID
		Extensions []pkix.Extension `asn1:"explicit,tag:0,optional"`
	}
	wireID struct {
		Algorithm pkix.AlgorithmIdentifier
		Name, Key []byte
		Serial    *big.Int
	}
	wireResponse struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type  asn1.ObjectIdentifier
			Value []byte
		} `asn1:"explicit,tag:0,optional"`
	}
	wireBasic struct {
		Data         asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	wireData struct {
		Responder  []byte    `asn1:"explicit,tag:2"`
		ProducedAt time.Time `asn1:"generalized"`
		Singles    []wireAnswer
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	wireAnswer struct {
		ID         wireID
		Status     asn1.RawValue
		ThisUpdate time.Time `asn1:"generalized"`
		NextUpdate time.Time `asn1:"generalized,explicit,tag:0,optional"`
	}
)

// unmarshal reads v, all of it, and checks that v is written as it was read.
func unmarshal(t testing.TB, der []byte, v any) {
	t.Helper()
	rest, err := asn1.Unmarshal(der, v)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// open takes an answer apart.
func open(t testing.TB, der []byte) (wireBasic, wireData) {
	t.Helper()
	var r wireResponse
	var b wireBasic
	var d wireData
	unmarshal(t, der, &r)
	require.Zero(t, r.Status)
	require.True(t, oidBasic.Equal(r.Bytes.Type))
	unmarshal(t, r.Bytes.Value, &b)
	unmarshal(t, b.Data.FullBytes, &d)
	again, err := asn1.Marshal(d)
	require.NoError(t, err)
	require.Equal(t, b.Data.FullBytes, again)
	return b, d
}

// edit changes a request with encoding/asn1.
func edit(t testing.TB, der []byte, change func(*wireRequest)) []byte {
	t.Helper()
	var q wireRequest
	unmarshal(t, der, &q)
	change(&q)
	out, err := asn1.Marshal(q)
	require.NoError(t, err)
	return out
}

func extension(oid asn1.ObjectIdentifier, critical bool, value any) pkix.Extension {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: oid, Critical: critical, Value: der}
}

func withNonce(t testing.TB, der, nonce []byte) []byte {
	return edit(t, der, func(q *wireRequest) { q.TBS.Extensions = append(q.TBS.Extensions, extension(oidNonce, false, nonce)) })
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// root makes a CA that issues by itself.
func root(t testing.TB, name string, key crypto.Signer, serial int64) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// more adds an issuer, and a profile of the same name that issues from it.
func more(name string, c *x509.Certificate, key crypto.Signer) authoritytest.Option {
	return func(o *authority.Config) {
		o.Roots = append(o.Roots, c)
		o.Issuers = append(o.Issuers, authority.Issuer{Name: name, Chain: []*x509.Certificate{c}, Signer: kms.FromCrypto(key)})
		o.Profiles = append(o.Profiles, authority.Profile{Name: name, Issuer: name})
		if o.Bindings == nil {
			o.Bindings = map[string]authority.Binding{}
		}
		b := o.Bindings[authoritytest.Local]
		b.Profiles = append(b.Profiles, name)
		o.Bindings[authoritytest.Local] = b
	}
}

// leafOf issues from the issuer of a profile.
func (w *world) leafOf(profile string) *x509.Certificate {
	w.t.Helper()
	return w.Issue(&authority.Request{
		Provisioner: authoritytest.Local, Profile: profile, Local: true, CSR: w.CSR(newKey(w.t), "x.internal"),
	}).Leaf
}
