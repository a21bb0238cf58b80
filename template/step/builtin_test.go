package step_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/x509util"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

// What is made in Go is what the text of step's own templates makes, byte for byte.
func TestBuiltins(t *testing.T) {
	for kind, key := range keys(t) {
		for _, c := range []struct {
			name string
			text string
			tpl  *template.Template
			sans []template.SAN
		}{
			{"leaf", x509util.DefaultLeafTemplate, template.Leaf(), newData(nil).SANs},
			{"leaf without names", x509util.DefaultLeafTemplate, template.Leaf(), nil},
			{"leaf, by step", x509util.DefaultLeafTemplate, step.Leaf(), newData(nil).SANs},
			{"leaf with extended names", x509util.DefaultLeafTemplate, step.Leaf(), []template.SAN{
				{Type: "dns", Value: "WWW.example.com"}, {Type: "permanentIdentifier", Value: "1234"},
			}},
			{"admin leaf", x509util.DefaultAdminLeafTemplate, template.AdminLeaf(), nil},
			{"intermediate", x509util.DefaultIntermediateTemplate, template.Intermediate(), nil},
			{"root", strings.Replace(x509util.DefaultRootTemplate, `"issuer": {{ toJson .Subject }},`, "", 1), template.Root(), nil},
			{"ca", strings.Replace(x509util.DefaultIntermediateTemplate, `"maxPathLen": 0`, `"maxPathLen": -1`, 1), template.CA(-1), nil},
		} {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				d := &template.Data{CommonName: "w\xffb & <c>", SANs: c.sans, CR: newRequest(t, key)}
				native, err := c.tpl.Render(d)
				require.NoError(t, err)
				text := render(t, c.text, d)
				require.Equal(t, tbs(t, text), tbs(t, native))
				if len(c.sans) > 0 {
					require.Equal(t, text, native)
				}
			})
		}
	}
}

// tbs is what would be signed.
func tbs(t testing.TB, c *x509.Certificate) []byte {
	t.Helper()
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, SubjectKeyId: []byte{1}}
	own := *c
	own.SignatureAlgorithm = 0
	der, err := x509.CreateCertificate(rand.Reader, &own, parent, c.PublicKey, newKey(t))
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	made.Raw = nil
	// All but the serial number, which is random here.
	made.SerialNumber, made.RawTBSCertificate, made.Signature = nil, nil, nil
	return fmt.Appendf(nil, "%x %+v %v %v %v %v %v", made.RawSubject, made.Extensions, made.KeyUsage, made.ExtKeyUsage, made.IsCA, made.MaxPathLen, made.DNSNames)
}

// Names are refused, in Go as in text, where step would leave them out.
func TestBadNames(t *testing.T) {
	text, err := step.Parse("default", read(t, "default.tpl"))
	require.NoError(t, err)
	d := newData(newRequest(t, newKey(t)))
	for _, s := range []template.SAN{
		{Type: "ip", Value: "10.0.0.300"}, {Type: "uri", Value: "::"}, {Type: "uri", Value: "no-scheme"},
		{Type: "DNS", Value: "a"}, {Type: "bogus", Value: "a"}, {Type: "permanentIdentifier"}, {Type: "x400Address", Value: "a"},
	} {
		d.SANs = []template.SAN{s}
		_, err := text.Render(d)
		_, native := template.Leaf().Render(d)
		_, extended := step.Leaf().Render(d)
		if s.Type == "permanentIdentifier" { // empty, like any empty name
			require.NoError(t, err)
			require.NoError(t, extended)
			require.Error(t, native)
			continue
		}
		for _, err := range []error{err, native, extended} {
			e, ok := errors.AsType[*template.RenderError](err)
			require.True(t, ok, "%v: %v", s, err)
			require.True(t, e.Field == "" || strings.HasPrefix(e.Field, "sans"), "%v", err)
		}
	}
}

// Names of which nobody says the type are of the type that step finds.
func TestNamesWithoutType(t *testing.T) {
	text, err := step.Parse("default", x509util.DefaultLeafTemplate)
	require.NoError(t, err)
	native, cr := template.Leaf(), newRequest(t, newKey(t))
	name := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", "a.example.com", "10.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0", "a@b", "@", "mailto:a@b", "urn:x", ":", "%", "a:b",
			"http://[::1", "x://a@b", "*.example.com", "10.0.0.300", "1.2.3.4/8", "A:1", " a", "é", "\xff", "spiffe://a/b?c#d",
		}),
		rapid.String(), rapid.StringMatching(`[a-z0-9:@./%]{0,12}`),
	)
	kind := rapid.SampledFrom([]string{"", "auto", "dns", "ip", "email", "uri"})
	rapid.Check(t, func(rt *rapid.T) {
		d := &template.Data{CommonName: "a", CR: cr}
		for range rapid.IntRange(1, 4).Draw(rt, "n") {
			d.SANs = append(d.SANs, template.SAN{Type: kind.Draw(rt, "type"), Value: name.Draw(rt, "name")})
		}
		want, err := text.Render(d)
		got, nerr := native.Render(d)
		require.Equal(rt, err == nil, nerr == nil, "%v: %v, %v", d.SANs, err, nerr)
		if err == nil {
			require.Equal(rt, fmt.Sprint(want.IPAddresses), fmt.Sprint(got.IPAddresses))
			require.Equal(rt, want.URIs, got.URIs)
			require.ElementsMatch(rt, want.DNSNames, got.DNSNames)
			require.ElementsMatch(rt, want.EmailAddresses, got.EmailAddresses)
		}
	})
}

// The subject of a CSR comes out of a template made in Go as it comes out of a document, byte for byte.
func TestSubjectOfRequest(t *testing.T) {
	text, err := step.Parse("admin", x509util.DefaultAdminLeafTemplate)
	require.NoError(t, err)
	key := newKey(t)
	oids := rapid.SampledFrom([]asn1.ObjectIdentifier{
		{2, 5, 4, 3}, {2, 5, 4, 5}, {2, 5, 4, 6}, {2, 5, 4, 7}, {2, 5, 4, 8}, {2, 5, 4, 9}, {2, 5, 4, 10}, {2, 5, 4, 11}, {2, 5, 4, 17},
		{2, 5, 4, 4}, {2, 5, 4, 42}, {2, 5, 4}, {2, 5, 4, 3, 1}, {1, 2, 840, 113549, 1, 9, 1}, {0, 9, 2342, 19200300, 100, 1, 25},
	})
	rapid.Check(t, func(rt *rapid.T) {
		var name pkix.Name
		for range rapid.IntRange(0, 6).Draw(rt, "n") {
			name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{
				Type: oids.Draw(rt, "type"), Value: rapid.StringMatching(`[A-Za-z@. é<&"]{1,8}`).Draw(rt, "value"),
			})
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: name}, key)
		require.NoError(rt, err)
		cr, err := x509.ParseCertificateRequest(der)
		require.NoError(rt, err)
		want, err := text.Render(&template.Data{CR: cr})
		require.NoError(rt, err)
		got, err := template.AdminLeaf().Render(&template.Data{CR: cr})
		require.NoError(rt, err)
		a, aerr := asn1.Marshal(want.Subject.ToRDNSequence())
		b, berr := asn1.Marshal(got.Subject.ToRDNSequence())
		require.Equal(rt, fmt.Sprint(aerr), fmt.Sprint(berr))
		require.Equal(rt, a, b)
		ca, err := template.CA(0).Render(&template.Data{CR: cr})
		require.NoError(rt, err)
		require.Equal(rt, got.Subject, ca.Subject)
	})
}
