package step_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

func newRequest(t testing.TB, key crypto.Signer) *x509.CertificateRequest {
	t.Helper()
	uri, err := url.Parse("spiffe://example.com/web")
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{
			CommonName: "web.example.com", Organization: []string{"Example", "Other"},
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: []int{2, 5, 4, 42}, Value: "Web"}},
		},
		DNSNames: []string{"web.example.com", "www.example.com"}, IPAddresses: []net.IP{{10, 0, 0, 1}},
		EmailAddresses: []string{"web@example.com"}, URIs: []*url.URL{uri},
	}, key)
	require.NoError(t, err)
	cr, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	return cr
}

func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return map[string]crypto.Signer{"ecdsa": ec, "rsa": r}
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func newData(cr *x509.CertificateRequest) *template.Data {
	return &template.Data{
		CommonName: "web.example.com",
		SANs: []template.SAN{
			{Type: "dns", Value: "web.example.com"}, {Type: "ip", Value: "10.0.0.1"}, {Type: "ip", Value: "fd00::1"},
			{Type: "email", Value: "web@example.com"}, {Type: "uri", Value: "spiffe://example.com/web"},
			{Type: "auto", Value: "auto.example.com"}, {Value: "10.1.1.1"}, {Type: "dns"},
		},
		Token: map[string]any{
			"sub": "web", "email": "web@example.com", "given_name": "Wéb", "exp": float64(1900000000),
			"groups": []any{"ops", "dev & test"}, "udid": "0000-1111", "domain": "example.com", "kind": "policy",
		},
		User: map[string]any{"organization": []any{"Example"}, "ocsp": "http://ocsp.example.com"},
		CR:   cr,
	}
}

// stepData is what step-ca would give to x509util for the same request.
func stepData(d *template.Data) x509util.TemplateData {
	v := x509util.NewTemplateData()
	v.SetCommonName(d.CommonName)
	if d.SANs != nil {
		var sans []x509util.SubjectAlternativeName
		for _, s := range d.SANs {
			sans = append(sans, x509util.SubjectAlternativeName{Type: s.Type, Value: s.Value})
		}
		v.SetSubjectAlternativeNames(sans...)
	}
	if d.Token != nil {
		v.SetToken(d.Token)
	}
	if d.User != nil {
		v.SetUserData(d.User)
	}
	return v
}

func byStep(t testing.TB, text string, d *template.Data) *x509.Certificate {
	t.Helper()
	c, err := x509util.NewCertificate(d.CR, x509util.WithTemplate(text, stepData(d)))
	require.NoError(t, err)
	return c.GetCertificate()
}

func render(t testing.TB, text string, d *template.Data) *x509.Certificate {
	t.Helper()
	tpl, err := step.Parse("t", text)
	require.NoError(t, err)
	c, err := tpl.Render(d)
	require.NoError(t, err)
	return c
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(b)
}

// Step's documents work as they are: every template renders to what x509util makes of the same text.
func TestSameAsStep(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tpl")
	require.NoError(t, err)
	require.NotEmpty(t, files, "did testdata move?")
	for kind, key := range keys(t) {
		for _, f := range files {
			t.Run(filepath.Base(f)+"/"+kind, func(t *testing.T) {
				d := newData(newRequest(t, key))
				text := read(t, filepath.Base(f))
				got := render(t, text, d)
				require.Equal(t, byStep(t, text, d), got)
				require.NotNil(t, got.PublicKey)
				require.Empty(t, got.SubjectKeyId)
				require.Nil(t, got.SerialNumber)
			})
		}
	}
}

func TestParseSetting(t *testing.T) {
	for _, text := range []string{
		` {"subject": "a"}`, "eyJzdWJqZWN0IjogImEifQ==", "\n{{ toJson (dict \"subject\" \"a\") }}",
	} {
		tpl, err := step.ParseSetting("t", text)
		require.NoError(t, err, text)
		c, err := tpl.Render(&template.Data{})
		require.NoError(t, err)
		require.Equal(t, "a", c.Subject.CommonName)
	}
	_, err := step.ParseSetting("t", "certs/leaf.tpl")
	require.ErrorContains(t, err, "neither")
}

func TestFail(t *testing.T) {
	tpl, err := step.Parse("t", `{ {{ if not .Token.ok }}{{ printf "no %s" "luck" | fail }}{{ end }} "subject": "a"}`)
	require.NoError(t, err)
	_, err = tpl.Render(&template.Data{Token: map[string]any{}})
	e, ok := errors.AsType[*template.FailError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "no luck", e.Text)
	_, err = tpl.Render(&template.Data{Token: map[string]any{"ok": true}})
	require.NoError(t, err)
}

func TestExtra(t *testing.T) {
	tpl, err := step.Parse("t", `{"subject": {"commonName": "{{ .Entity.Name }}", "locality": {{ toJson .place }}}}`)
	require.NoError(t, err)
	d := &template.Data{Entity: struct{ Name string }{"vm-17"}, Extra: map[string]any{"place": "Lund"}}
	c, err := tpl.Render(d)
	require.NoError(t, err)
	require.Equal(t, "vm-17", c.Subject.CommonName)
	require.Equal(t, []string{"Lund"}, c.Subject.Locality)
	for _, k := range []string{"Subject", "SANs", "Token", "Insecure", "Entity", "Webhooks", "AuthorizationCrt", "AuthorizationChain"} {
		_, err := tpl.Render(&template.Data{Extra: map[string]any{k: 1}})
		require.ErrorContains(t, err, k)
		_, err = template.Leaf().Render(&template.Data{Extra: map[string]any{k: 1}})
		require.ErrorContains(t, err, k)
	}
}

// A template cannot leave anything behind for the next request in data that requests share.
func TestDataIsNotChanged(t *testing.T) {
	tpl, err := step.Parse("t", `{{- $_ := set .shared "n" .Subject.CommonName -}}
		{{- $_ := set .Insecure.User "o" "changed" -}}{{- $_ := mergeOverwrite .Entity.Attributes (dict "a" "changed") -}}
		{"subject": {"commonName": {{ toJson .shared.n }}, "organization": {{ toJson .Insecure.User.o }}}}`)
	require.NoError(t, err)
	shared, user, attributes := map[string]any{}, map[string]any{"o": "o"}, map[string]any{"a": "a"}
	type entity struct{ Attributes map[string]any }
	d := func(cn string) *template.Data {
		return &template.Data{
			CommonName: cn, Extra: map[string]any{"shared": shared}, User: user, Entity: &entity{attributes},
			CR: newRequest(t, newKey(t)),
		}
	}
	var wg sync.WaitGroup
	for i := range 8 {
		data := d(fmt.Sprint(i))
		wg.Go(func() {
			c, err := tpl.Render(data)
			if err != nil || c.Subject.CommonName != data.CommonName || c.Subject.Organization[0] != "changed" {
				t.Errorf("rendered %v, %v", c, err)
			}
		})
	}
	wg.Wait()
	require.Empty(t, shared)
	require.Equal(t, map[string]any{"o": "o"}, user)
	require.Equal(t, map[string]any{"a": "a"}, attributes)
}

// Nor can it change the key that will be certified, though it can call the methods of what it sees.
func TestKeyIsNotChanged(t *testing.T) {
	for kind, number := range map[string]string{"rsa": ".Insecure.CR.PublicKey.N", "ecdsa": ".Insecure.CR.PublicKey.X"} {
		tpl, err := step.Parse("t", `{{- $_ := `+number+`.SetInt64 15 -}}{{- $_ := .AuthorizationCrt.SerialNumber.SetInt64 15 -}}
			{"subject": "{{ `+number+` }} {{ .AuthorizationCrt.SerialNumber }}"}`)
		require.NoError(t, err)
		d := newData(newRequest(t, keys(t)[kind]))
		d.AuthorizationCrt = &x509.Certificate{SerialNumber: big.NewInt(7)}
		want, err := x509.MarshalPKIXPublicKey(d.CR.PublicKey)
		require.NoError(t, err)
		c, err := tpl.Render(d)
		require.NoError(t, err)
		require.Equal(t, "15 15", c.Subject.CommonName)
		got, err := x509.MarshalPKIXPublicKey(c.PublicKey)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, int64(7), d.AuthorizationCrt.SerialNumber.Int64())
	}
}

func TestConcurrent(t *testing.T) {
	tpl, err := step.Parse("user", read(t, "user.tpl"))
	require.NoError(t, err)
	cr := newRequest(t, newKey(t))
	cr.Subject, cr.RawSubject = pkix.Name{}, nil // step's view of it marks the names critical, in place
	want, err := tpl.Render(newData(cr))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := tpl.Render(newData(cr))
				if err != nil || got.Subject.CommonName != want.Subject.CommonName {
					t.Errorf("rendered %v, %v", got, err)
				}
				if _, err := template.Leaf().Render(newData(cr)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkParsed(b *testing.B) {
	tpl, err := step.Parse("default", read(b, "default.tpl"))
	require.NoError(b, err)
	d := newData(newRequest(b, newKey(b)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tpl.Render(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	text, d := read(b, "default.tpl"), newData(newRequest(b, newKey(b)))
	b.ReportAllocs()
	for b.Loop() {
		byStep(b, text, d)
	}
}
