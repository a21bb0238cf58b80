package interop

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// lab is one more server for all tests: in a folder by the real step ca init, with provisioners that
// the real step ca provisioner add put there.
var lab struct {
	once sync.Once
	*server
}

// teamTemplate takes a value from the request, and adds an extension of its own.
const teamTemplate = `{
	"subject": {"commonName": {{ toJson .Subject.CommonName }}, "organization": "Interop", "organizationalUnit": [{{ toJson .Insecure.User.team }}]},
	"sans": {{ toJson .SANs }},
	"keyUsage": ["digitalSignature"],
	"extKeyUsage": ["clientAuth"],
	"extensions": [
		{"id": "1.3.6.1.4.1.99999.1", "critical": false, "value": {{ asn1Enc "utf8:made to measure" | toJson }}},
		{"id": "1.3.6.1.4.1.99999.2", "value": "BQA="}
	]
}`

// rawTemplate quotes values by hand, as many templates in the wild do.
const rawTemplate = `{
	"subject": {"commonName": "{{ .Subject.CommonName }}", "organizationalUnit": ["{{ .Insecure.User.team }}"]},
	"sans": {{ toJson .SANs }},
	"extKeyUsage": ["clientAuth"]
}`

// ownNameTemplate is for names that no token grants.
const ownNameTemplate = `{"subject": {{ toJson .Subject }}, "dnsNames": ["bank.example.com"], "extKeyUsage": ["serverAuth"]}`

const caTemplate = `{"subject": {{ toJson .Subject }}, "keyUsage": ["certSign", "crlSign"], "basicConstraints": {"isCA": true, "maxPathLen": 0}}`

func laboratory(t *testing.T) *server {
	t.Helper()
	program(t)
	lab.once.Do(func() {
		s := makeFolder(t, options{byStep: []string{}})
		s.shared = true
		jwk := func(name string, flags ...string) {
			s.provisioner(t, "add", name, append([]string{"--type", "JWK", "--create", "--password-file", s.passwordFile}, flags...)...)
		}
		file := func(name, text string) string {
			path := filepath.Join(s.dir, "templates", name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			return path
		}
		jwk("patient", "--x509-min-dur", "1s", "--allow-renewal-after-expiry")
		jwk("hasty", "--x509-min-dur", "1s")
		jwk("final", "--disable-renewal")
		jwk("workloads", "--x509-default-dur", "720h")
		jwk("team", "--x509-template", file("team.tpl", teamTemplate))
		jwk("raw", "--x509-template", file("raw.tpl", rawTemplate))
		jwk("own", "--x509-template", file("own.tpl", ownNameTemplate))
		jwk("ca", "--x509-template", file("ca.tpl", caTemplate))
		s.provisioner(t, "add", "x5c", "--type", "X5C", "--x5c-roots", s.root())
		s.start(t)
		lab.server = s
	})
	require.NotNil(t, lab.server, "the laboratory did not start")
	return lab.server
}

// provisioner edits ca.json with the step CLI, as the CA's operator does.
func (s *server) provisioner(t *testing.T, verb, name string, flags ...string) string {
	t.Helper()
	operator := &client{t: t, home: s.dir}
	return operator.step(append([]string{"ca", "provisioner", verb, name, "--ca-config", s.config()}, flags...)...)
}
