//go:build unix && !solaris && !aix

package sqlite

import (
	"errors"
	"os"
	"syscall"
)

var errHeld = errors.New("held by another")

func isQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) }

// fileLock is a lock that the operating system lets go of when its holder ends.
type fileLock struct{ f *os.File }

// lockFile takes the lock or returns errHeld. The file stays: removing it would race with the next
// holder.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// flock belongs to the open file, so it also keeps out a second opener in this process.
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errHeld
		}
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return &fileLock{f}, nil
}

func (l *fileLock) release() error { return l.f.Close() }
