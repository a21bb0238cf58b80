package step_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

const requestText = `{
	"subject": {"organization": "Example", "commonName": {{ toJson .Subject.CommonName }}},
	"sans": {{ toJson .SANs }},
	"keyUsage": ["digitalSignature"],
	"extKeyUsage": ["serverAuth"],
	"extensions": [{"id": "1.3.6.1.4.1.99999.1", "value": "{{ asn1Enc "utf8:lab" }}"}]
}`

func TestRequest(t *testing.T) {
	tpl, err := step.ParseRequest("csr", requestText)
	require.NoError(t, err)
	signers := keys(t)
	signers["ed25519"] = ed25519.NewKeyFromSeed(make([]byte, 32))
	for kind, key := range signers {
		t.Run(kind, func(t *testing.T) {
			d := newData(nil)
			der, err := tpl.Create(d, key)
			require.NoError(t, err)
			cr, err := x509.ParseCertificateRequest(der)
			require.NoError(t, err)
			require.NoError(t, cr.CheckSignature())
			require.Equal(t, key.Public(), cr.PublicKey)
			require.Equal(t, "web.example.com", cr.Subject.CommonName)
			require.Equal(t, []string{"web.example.com", "auto.example.com"}, cr.DNSNames)

			theirs, err := x509util.NewCertificateRequest(key, x509util.WithTemplate(requestText, stepData(d)))
			require.NoError(t, err)
			want, err := theirs.GetCertificateRequest()
			require.NoError(t, err)
			require.Equal(t, want.RawTBSCertificateRequest, cr.RawTBSCertificateRequest)
		})
	}
}

func TestRequestErrors(t *testing.T) {
	for text, reason := range map[string]string{
		`{"subject": {{ .X }}, "notAfter": {{ .X }}}`: `no field "notAfter"`,
		`{"subject": "a", "keyUsage": "bogus"}`:       "unsupported keyUsage",
		`{"{{ .X }}": "a"}`:                           "only the text",
		`{"subject": {{ env "HOME" }}}`:               "reads the host",
	} {
		_, err := step.ParseRequest("csr", text)
		_, ok := errors.AsType[*template.ParseError](err)
		require.True(t, ok, text)
		require.ErrorContains(t, err, reason)
	}
	tpl, err := step.ParseRequest("csr", `{"sans": [{"type": "{{ .Token.type }}", "value": "a"}]}`)
	require.NoError(t, err)
	for _, typ := range []any{"bogus", "ip", nil} {
		_, err = tpl.Create(&template.Data{Token: map[string]any{"type": typ}}, newKey(t))
		_, ok := errors.AsType[*template.RenderError](err)
		require.True(t, ok, "%v", err)
	}
	_, err = tpl.Create(&template.Data{Extra: map[string]any{"Token": 1}}, newKey(t))
	require.ErrorContains(t, err, "Token")
}

func TestRequestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	tpl, err := step.ParseRequest("csr", requestText)
	require.NoError(t, err)
	for kind, key := range keys(t) {
		t.Run(kind, func(t *testing.T) {
			der, err := tpl.Create(newData(nil), key)
			require.NoError(t, err)
			file := t.TempDir() + "/csr.pem"
			require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600))
			out, err := exec.Command(openssl, "req", "-text", "-verify", "-noout", "-in", file).CombinedOutput()
			require.NoError(t, err, "%s", out)
			for _, s := range []string{
				"verify OK", "DNS:web.example.com", "IP Address:10.0.0.1", "email:web@example.com",
				"URI:spiffe://example.com/web", "TLS Web Server Authentication", "1.3.6.1.4.1.99999.1",
			} {
				require.Contains(t, string(out), s)
			}
		})
	}
}
