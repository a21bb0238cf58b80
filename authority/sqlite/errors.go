package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	modernc "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrCorrupt says that a file is no SQLite database, not one of this module, or damaged.
var ErrCorrupt = errors.New("sqlite: not an intact database of this module")

var errForeign = fmt.Errorf("%w: it belongs to another program", ErrCorrupt)

// translate says in the words of package authority what the driver or the system said.
func translate(err error) error {
	if err == nil || sqlstore.IsDomain(err) || errors.Is(err, ErrCorrupt) || errors.Is(err, authority.ErrUnavailable) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e, ok := errors.AsType[*modernc.Error](err); ok {
		if kind := kindOf(e.Code()); kind != nil {
			return fmt.Errorf("%w: %w", kind, err)
		}
		return err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), isQuota(err):
		return fmt.Errorf("%w: %w", authority.ErrFull, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", authority.ErrReadOnly, err)
	}
	return err
}

func kindOf(code int) error {
	switch code {
	case lib.SQLITE_IOERR_SHMSIZE, lib.SQLITE_IOERR_TRUNCATE: // a failed write for want of space is SQLITE_FULL
		return authority.ErrFull
	case lib.SQLITE_IOERR_CORRUPTFS:
		return ErrCorrupt
	}
	switch code & 0xff {
	case lib.SQLITE_FULL:
		return authority.ErrFull
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
		return authority.ErrReadOnly
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return ErrCorrupt
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return authority.ErrLocked // by a program that does not know our lock file
	case lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT, lib.SQLITE_PROTOCOL:
		return authority.ErrUnavailable
	}
	return nil
}
