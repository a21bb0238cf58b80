//go:build unix

package ordeal

import (
	"syscall"
	"testing"
)

// needFiles makes sure that this process, and a child of it, may have n files open.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		skip(t, "RLIMIT_NOFILE is not known: %v", err)
	}
	if uint64(l.Cur) >= n {
		return
	}
	was := l
	l.Cur = l.Max
	if uint64(l.Max) < n {
		skip(t, "needs %d open files; RLIMIT_NOFILE allows %d", n, l.Max)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		skip(t, "needs %d open files; RLIMIT_NOFILE is %d and cannot be raised: %v", n, was.Cur, err)
	}
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) })
}
