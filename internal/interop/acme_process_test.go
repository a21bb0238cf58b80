package interop

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withACME has http-01 begin at a port of its own, which it returns.
func (s *server) withACME(t *testing.T) (port string) {
	t.Helper()
	port = quietPort(t)
	s.own(t, fmt.Sprintf(`{"acme": {"httpPort": %s}}`, port))
	return port
}

// C11: what the program says on its first start works as it stands, and goes on working after the next.
func TestACMEProcess(t *testing.T) {
	t.Parallel()
	ours(t, "it prints no such line, and looks for http-01 on port 80")
	need(t, "certbot")
	s := makeFolder(t, options{})
	port := s.withACME(t)
	s.start(t)
	line := regexp.MustCompile(`(?m)^ +(REQUESTS_CA_BUNDLE=.*certbot certonly .*)$`).FindStringSubmatch(s.stderr.String())
	require.NotNil(t, line, "%s", s.stderr)
	require.Contains(t, line[1], "--http-01-port "+port)
	c := newClient(t)
	c.shell(line[1] + " --http-01-address 127.0.0.1") // else it listens everywhere
	live := filepath.Join(s.dir, "certbot", "config", "live", "localhost")
	first := parse(t, filepath.Join(live, "fullchain.pem"))
	require.Len(t, first, 2)
	require.Equal(t, []string{"localhost"}, first[0].DNSNames)
	c.run("openssl", "verify", "-x509_strict", "-CAfile", s.root(), "-untrusted", filepath.Join(live, "chain.pem"), filepath.Join(live, "cert.pem"))

	require.NoError(t, s.stop(t))
	s.start(t)
	renew := strings.Replace(line[1], "certonly", "renew --force-renewal --no-random-sleep-on-renew", 1)
	for _, only := range []string{" --standalone", " -d localhost", " --agree-tos", " --register-unsafely-without-email", " --http-01-port " + port} {
		renew = strings.Replace(renew, only, "", 1)
	}
	c.shell(renew)
	require.NotEqual(t, first[0].SerialNumber, parse(t, filepath.Join(live, "cert.pem"))[0].SerialNumber)
}

// shell runs a line as if it were pasted.
func (c *client) shell(line string) string {
	c.t.Helper()
	return c.run("sh", "-c", line)
}

// A folder that the real step ca init made with --acme serves ACME, too, to the step CLI and to others.
func TestACMEProcessByStep(t *testing.T) {
	t.Parallel()
	ours(t, "it looks for http-01 on port 80")
	need(t, "lego")
	s := makeFolder(t, options{byStep: []string{"--acme"}})
	port := s.withACME(t)
	s.start(t)
	c := user(t, s)
	c.step("ca", "certificate", "localhost", "s.crt", "s.key", "--provisioner", "acme", "--http-listen", "127.0.0.1:"+port, "--force")
	c.verify("s")
	c.step("ca", "renew", "s.crt", "s.key", "--force")
	c.step("ca", "revoke", "--cert", "s.crt", "--key", "s.key")
	c.refused("step", "ca", "renew", "s.crt", "s.key", "--force")

	c.shell("LEGO_CA_CERTIFICATES=" + s.root() + " lego --server " + s.url + "/acme/acme/directory --accept-tos --email a@example.com --path " + c.home +
		" --domains localhost --http --http.port 127.0.0.1:" + port + " run")
	require.Len(t, parse(t, c.path("certificates/localhost.crt")), 2)
}
