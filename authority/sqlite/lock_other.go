//go:build !windows && (!unix || solaris || aix)

package sqlite

import "errors"

var errHeld = errors.New("held by another")

func isQuota(error) bool { return false }

type fileLock struct{}

func lockFile(string) (*fileLock, error) {
	return nil, errors.New("this operating system has no file locks that the store can use")
}

func (*fileLock) release() error { return nil }
