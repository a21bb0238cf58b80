package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var buildStepClient = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	bin := filepath.Join(scratch, "stepclient")
	cmd := exec.CommandContext(ctx, find("go"), "build", "-C", "testdata/stepclient", "-mod=readonly", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
})

// stepClient runs the program in testdata/stepclient.
func stepClient(t *testing.T, c *client, args ...string) string {
	t.Helper()
	need(t, "go")
	if out, err := buildStepClient(); err != nil {
		unavailable(t, "testdata/stepclient cannot be built, its modules may be out of reach: %v\n%s", err, clip(out))
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(scratch, "stepclient"), args...)
	cmd.Dir, cmd.Env = c.home, environment(c.home)
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "stepclient %s\n%s", args[0], out)
	require.Contains(t, string(out), "ok\n")
	return string(out)
}

// K02, T05: what cert-manager's step-issuer does, with the library that it does it with.
func TestStepIssuer(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := newClient(t)
	out := stepClient(t, c, "issuer", s.url, s.root(), "admin", s.provisioners(t)[0].Key.KeyID, password)
	require.Contains(t, out, "24h", "K05: a duration above the maximum is refused with the reason")
	stepClient(t, c, "issuer", s.url, s.root(), "admin", "", password) // finds the key by the name
}

func TestBootstrapOfServerAndClient(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	server, client := c.token("localhost"), c.token("client.internal")
	stepClient(t, c, "bootstrap", server, client)
}
