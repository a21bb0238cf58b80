package template_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/template"
)

func newRequest(t testing.TB) *x509.CertificateRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: "web.example.com", Organization: []string{"Example"}},
		DNSNames: []string{"web.example.com"}, IPAddresses: []net.IP{{10, 0, 0, 1}},
	}, key)
	require.NoError(t, err)
	cr, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	return cr
}

func newData(t testing.TB) *template.Data {
	t.Helper()
	return &template.Data{
		CommonName: "web.example.com",
		SANs: []template.SAN{
			{Type: "dns", Value: "web.example.com"}, {Type: "ip", Value: "10.0.0.1"}, {Type: "ip", Value: "fd00::1"},
			{Type: "email", Value: "web@example.com"}, {Type: "uri", Value: "spiffe://example.com/web"},
			{Type: "auto", Value: "auto.example.com"}, {Value: "10.1.1.1"}, {Type: "dns"},
		},
		CR: newRequest(t),
	}
}

// What is the authority's stays the authority's, whatever a function says.
func TestNewLeavesTheRest(t *testing.T) {
	subject, err := asn1.Marshal(pkix.Name{CommonName: "raw"}.ToRDNSequence())
	require.NoError(t, err)
	var got *template.Data
	tpl := template.New("greedy", func(d *template.Data) (*x509.Certificate, error) {
		got = d
		return &x509.Certificate{
			SerialNumber: big.NewInt(1), Issuer: pkix.Name{CommonName: "me"}, RawIssuer: []byte{1}, SubjectKeyId: []byte{1}, AuthorityKeyId: []byte{1},
			PublicKey: crypto.PublicKey("mine"), PublicKeyAlgorithm: x509.RSA,
			RawSubject: subject, Subject: pkix.Name{CommonName: "another"}, DNSNames: []string{"kept"},
		}, nil
	})
	require.Equal(t, "greedy", tpl.Name())
	d := newData(t)
	c, err := tpl.Render(d)
	require.NoError(t, err)
	require.Same(t, d, got)
	require.Equal(t, "raw", c.Subject.CommonName)
	c.Subject = pkix.Name{}
	require.Equal(t, &x509.Certificate{
		PublicKey: d.CR.PublicKey, PublicKeyAlgorithm: x509.ECDSA, RawSubject: subject, DNSNames: []string{"kept"},
	}, c)
	c, err = tpl.Render(&template.Data{})
	require.NoError(t, err)
	require.Nil(t, c.PublicKey)
	require.Zero(t, c.PublicKeyAlgorithm)
}

func TestErrorsOfFunctions(t *testing.T) {
	cause := errors.New("cause")
	shared := &template.RenderError{Field: "sans[0].value", Err: cause}
	for _, c := range []struct {
		name string
		make func(*template.Data) (*x509.Certificate, error)
		want string
	}{
		{"plain", func(*template.Data) (*x509.Certificate, error) { return nil, cause }, "template: t: cause"},
		{"with a certificate", func(*template.Data) (*x509.Certificate, error) { return &x509.Certificate{}, cause }, "template: t: cause"},
		{"with a field", func(*template.Data) (*x509.Certificate, error) { return nil, shared }, "template: t: field sans[0].value: cause"},
		{"wrapped", func(*template.Data) (*x509.Certificate, error) { return nil, fmt.Errorf("a: %w", shared) }, "template: t: field sans[0].value: cause"},
		{"nothing", func(*template.Data) (*x509.Certificate, error) { return nil, nil }, "template: t: the template made no certificate"},
		{"no function", nil, "template: t: the template made no certificate"},
		{"subject", func(*template.Data) (*x509.Certificate, error) {
			return &x509.Certificate{RawSubject: []byte{0x30, 0, 0}}, nil
		}, "template: t: field rawSubject: not the DER of a name"},
	} {
		_, err := template.New("t", c.make).Render(&template.Data{})
		_, ok := errors.AsType[*template.RenderError](err)
		require.True(t, ok, c.name)
		require.EqualError(t, err, c.want, c.name)
		require.Equal(t, strings.HasSuffix(c.want, "cause"), errors.Is(err, cause), c.name)
	}
	require.Empty(t, shared.Template, "the function's own error was changed")

	_, err := template.New("t", func(*template.Data) (*x509.Certificate, error) {
		return nil, fmt.Errorf("a: %w", &template.FailError{Text: "not on Sundays"})
	}).Render(&template.Data{})
	require.Equal(t, &template.FailError{Text: "not on Sundays"}, err)
	_, err = (&template.Template{}).Render(&template.Data{})
	require.Error(t, err)
}

func TestExtra(t *testing.T) {
	for _, k := range []string{"Subject", "SANs", "Token", "Insecure", "Entity", "Webhooks", "AuthorizationCrt", "AuthorizationChain"} {
		_, err := template.Leaf().Render(&template.Data{Extra: map[string]any{k: 1}})
		require.ErrorContains(t, err, k)
	}
	require.NoError(t, template.CheckExtra(map[string]any{"subject": 1}))
}

func TestLeaf(t *testing.T) {
	c, err := template.Leaf().Render(newData(t))
	require.NoError(t, err)
	require.Equal(t, []string{"web.example.com", "auto.example.com"}, c.DNSNames)
	require.Equal(t, "[10.0.0.1 fd00::1 10.1.1.1]", fmt.Sprint(c.IPAddresses))
	require.Equal(t, []string{"web@example.com"}, c.EmailAddresses)
	require.Equal(t, "[spiffe://example.com/web]", fmt.Sprint(c.URIs))
	require.Equal(t, x509.KeyUsageDigitalSignature, c.KeyUsage)
	require.False(t, c.BasicConstraintsValid)
}

func TestLeafRefuses(t *testing.T) {
	for s, field := range map[template.SAN]string{
		{Type: "ip", Value: "10.0.0.300"}:            "sans[1].value",
		{Type: "uri", Value: "::"}:                   "sans[1].value",
		{Type: "uri", Value: "no-scheme"}:            "sans[1].value",
		{Type: "DNS", Value: "a"}:                    "sans[1].type",
		{Type: "permanentIdentifier", Value: "1234"}: "sans[1].type",
		{Type: "permanentIdentifier"}:                "sans[1].type",
		{Type: strings.Repeat("1.", 5000) + "1"}:     "sans[1].type",
	} {
		_, err := template.Leaf().Render(&template.Data{SANs: []template.SAN{{Type: "dns", Value: "a"}, s}})
		e, ok := errors.AsType[*template.RenderError](err)
		require.True(t, ok, "%v: %v", s, err)
		require.Equal(t, "leaf", e.Template)
		require.Equal(t, field, e.Field)
		require.Less(t, len(err.Error()), 300)
	}
}

func TestAdminLeaf(t *testing.T) {
	d := newData(t)
	d.CommonName, d.SANs = "not this", nil
	c, err := template.AdminLeaf().Render(d)
	require.NoError(t, err)
	require.Equal(t, "CN=web.example.com,O=Example", c.Subject.String())
	require.Equal(t, []string{"web.example.com"}, c.DNSNames)
	require.Equal(t, "[10.0.0.1]", fmt.Sprint(c.IPAddresses))
	_, err = template.AdminLeaf().Render(&template.Data{CommonName: "a"})
	require.ErrorContains(t, err, "no CSR")

	d.CR.Subject.Names = append(d.CR.Subject.Names, pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, 42}, Value: 12})
	for _, tpl := range []*template.Template{template.AdminLeaf(), template.Root()} {
		d.CommonName = ""
		_, err = tpl.Render(d)
		e, ok := errors.AsType[*template.RenderError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "subject.extraNames", e.Field)
	}
}

func TestCAWithoutRequest(t *testing.T) {
	c, err := template.Root().Render(&template.Data{CommonName: "Root"})
	require.NoError(t, err)
	require.Nil(t, c.PublicKey)
	require.Equal(t, "Root", c.Subject.CommonName)
	require.True(t, c.IsCA)
	require.Equal(t, 1, c.MaxPathLen)
	c, err = template.Intermediate().Render(&template.Data{CR: newRequest(t)})
	require.NoError(t, err)
	require.Equal(t, "web.example.com", c.Subject.CommonName)
	require.True(t, c.MaxPathLenZero)
}

func TestConcurrent(t *testing.T) {
	d := newData(t)
	var wg sync.WaitGroup
	for _, tpl := range []*template.Template{template.Leaf(), template.AdminLeaf(), template.CA(-1)} {
		for range 4 {
			wg.Go(func() {
				for range 50 {
					if c, err := tpl.Render(d); err != nil || c.Subject.CommonName != d.CommonName {
						t.Errorf("rendered %v, %v", c, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

func BenchmarkLeaf(b *testing.B) {
	d := newData(b)
	for _, n := range []int{2, len(d.SANs)} {
		b.Run(fmt.Sprintf("names=%d", n), func(b *testing.B) {
			tpl, d := template.Leaf(), *d
			d.SANs = d.SANs[:n]
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tpl.Render(&d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
