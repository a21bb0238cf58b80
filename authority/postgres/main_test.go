package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

// The test binary is also the other node of these tests: this variable says which one.
const (
	childMode = "CHANCERY_POSTGRES_TEST_CHILD"
	childURL  = "CHANCERY_POSTGRES_TEST_URL"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childMode) {
	case "":
		os.Exit(pgtest.Run(m))
	case "crash":
		crashChild(os.Getenv(childURL))
	case "lease":
		leaseChild(os.Getenv(childURL))
	}
}

// child starts this binary in a mode and returns it with its output.
func child(t *testing.T, mode, url string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childMode+"="+mode, childURL+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out)
}

// printer writes whole lines, each before the next operation of whoever calls it.
type printer struct{ sync.Mutex }

func (p *printer) line(format string, args ...any) {
	p.Lock()
	defer p.Unlock()
	fmt.Fprintf(os.Stdout, format+"\n", args...)
}

// open opens a store on a database, and closes it with the test.
func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(ctx, url, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
