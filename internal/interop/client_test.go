package interop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// limit is how long any one program may take. Keys are encrypted with slow functions on purpose.
const limit = 60 * time.Second

// client is somebody who uses programs, in a home of their own.
type client struct {
	t     *testing.T
	home  string // working directory, HOME, and STEPPATH
	stdin string // of the next program
}

func newClient(t *testing.T) *client { return &client{t: t, home: t.TempDir()} }

// path names a file in the client's home.
func (c *client) path(name string) string { return filepath.Join(c.home, name) }

func (c *client) read(name string) string {
	c.t.Helper()
	b, err := os.ReadFile(c.path(name))
	require.NoError(c.t, err)
	return string(b)
}

func (c *client) write(name, text string) string {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(c.path(name), []byte(text), 0o600))
	return c.path(name)
}

// try runs a program and returns what it printed, on both channels.
func (c *client) try(program string, args ...string) (string, error) {
	c.t.Helper()
	path := need(c.t, program)
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = c.home, environment(c.home)
	cmd.Stdin, c.stdin = strings.NewReader(c.stdin), ""
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	return out.String(), err
}

// run runs a program that has to succeed.
func (c *client) run(program string, args ...string) string {
	c.t.Helper()
	out, err := c.try(program, args...)
	require.NoErrorf(c.t, err, "%s %s\n%s", program, strings.Join(args, " "), clip(out))
	return out
}

// clip keeps the CLI's manual, which it prints along with a fault in its flags, out of the report.
func clip(s string) string {
	if len(s) < 2000 {
		return s
	}
	return s[:500] + "\n…\n" + s[len(s)-1000:]
}

// refused runs a program that has to fail, and say something about it.
func (c *client) refused(program string, args ...string) string {
	c.t.Helper()
	out, err := c.try(program, args...)
	var exit *exec.ExitError
	require.ErrorAsf(c.t, err, &exit, "%s %s succeeded\n%s", program, strings.Join(args, " "), clip(out))
	require.NotContainsf(c.t, out, "two forms of the same flag", "%s %s", program, strings.Join(args, " "))
	require.NotContainsf(c.t, out, "flag provided but not defined", "%s %s", program, strings.Join(args, " "))
	return out
}

func (c *client) step(args ...string) string { c.t.Helper(); return c.run("step", args...) }

// environment is that of every program: nobody's home, no proxy, no colours.
func environment(home string) []string {
	env := []string{"HOME=" + home, "STEPPATH=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "TERM=dumb", "NO_COLOR=1", "LC_ALL=C"}
	for _, k := range []string{"SYSTEMROOT", "GOPROXY", "GONOSUMDB", "GOFLAGS", "GOSUMDB"} {
		if v := os.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}
