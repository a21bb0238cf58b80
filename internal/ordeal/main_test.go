package ordeal

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/internal/pgtest"
)

// The test binary is also the other processes of these tests: this variable says which one.
const (
	childMode = "CHANCERY_ORDEAL_CHILD"
	childArgs = "CHANCERY_ORDEAL_ARGS" // joined by newlines
)

func TestMain(m *testing.M) {
	modes := map[string]func(args []string) error{"serve": serve, "crowd": crowd, "node": node, "acme": acmeNode}
	mode := os.Getenv(childMode)
	if mode == "" {
		os.Exit(pgtest.Run(m))
	}
	if err := modes[mode](strings.Split(os.Getenv(childArgs), "\n")); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// child is another process of this binary. It ends when its standard input does, so it cannot outlive
// the test.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(t testing.TB, mode string, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), childMode+"="+mode, childArgs+"="+strings.Join(args, "\n"))
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.out = bufio.NewScanner(out)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			c.kill()
		}
	})
	return c
}

// line returns the next line that the child prints.
func (c *child) line(t testing.TB) string {
	t.Helper()
	require.True(t, c.out.Scan(), "the child ended")
	require.False(t, strings.HasPrefix(c.out.Text(), "failed:"), c.out.Text())
	return c.out.Text()
}

// kill ends the child at once, whatever it is doing, and waits for it to be gone.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.in.Close()
	c.cmd.Wait()
}

// stop asks the child to end, and waits for it.
func (c *child) stop() error {
	c.in.Close()
	return c.cmd.Wait()
}
