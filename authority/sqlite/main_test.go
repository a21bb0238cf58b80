package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/stretchr/testify/require"
)

// The test binary is also the other process of these tests: this variable says which one.
const (
	childMode = "CHANCERY_SQLITE_TEST_CHILD"
	childPath = "CHANCERY_SQLITE_TEST_PATH"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childMode) {
	case "":
		os.Exit(m.Run())
	case "crash":
		crashChild(os.Getenv(childPath))
	case "open":
		s, err := sqlite.Open(context.Background(), os.Getenv(childPath), nil)
		if err != nil {
			fmt.Println(errors.Is(err, authority.ErrLocked), errors.Is(err, authority.ErrUnavailable), err)
			return
		}
		fmt.Println("opened")
		s.Close()
	case "hold":
		if _, err := sqlite.Open(context.Background(), os.Getenv(childPath), nil); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("holding")
		time.Sleep(time.Minute)
	}
}

// child starts this binary in a mode and returns it with its output.
func child(t *testing.T, mode, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childMode+"="+mode, childPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out)
}

func TestSecondOpener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	s := open(t, path)
	check := func(path string) {
		start := time.Now()
		_, err := sqlite.Open(context.Background(), path, nil)
		require.ErrorIs(t, err, authority.ErrLocked)
		require.ErrorIs(t, err, authority.ErrUnavailable)
		require.Less(t, time.Since(start), time.Second, "waited for the lock")
	}
	check(path)
	if link := filepath.Join(t.TempDir(), "link.db"); os.Symlink(path, link) == nil {
		check(link)
	}
	_, out := child(t, "open", path)
	require.True(t, out.Scan())
	require.True(t, strings.HasPrefix(out.Text(), "true true "), out.Text())
	require.NoError(t, s.Close())
	open(t, path)
}

func TestLockEndsWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	cmd, out := child(t, "hold", path)
	require.True(t, out.Scan())
	require.Equal(t, "holding", out.Text())
	_, err := sqlite.Open(context.Background(), path, nil)
	require.ErrorIs(t, err, authority.ErrLocked)
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	open(t, path)
}

// printer writes whole lines, each before the next operation of whoever calls it.
type printer struct{ sync.Mutex }

func (p *printer) line(format string, args ...any) {
	p.Lock()
	defer p.Unlock()
	fmt.Fprintf(os.Stdout, format+"\n", args...)
}
