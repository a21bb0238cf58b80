package sqlite

import (
	"errors"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// walLimit is above what checkpoints of the usual kind let the log grow to.
const walLimit = 24 << 20

// trim empties the log when readers have kept it from starting over for too long: new ones no longer
// need it after this, and those that still do are waited for. Failing is no harm, the next time may not.
func (s *Store) trim(c *conn) {
	if s.logSize() > walLimit {
		truncateLog(c)
	}
}

// reliefPause is how long a full disk is left alone after giving back the log did not help.
const reliefPause = time.Second

// relieved runs group again after giving back what the log takes of a full disk: much of it may be old
// versions of pages that have their place in the database already.
func (s *Store) relieved(c *conn, group []*op, full error) error {
	if time.Since(s.hopeless) < reliefPause || s.logSize() == 0 {
		return full
	}
	truncateLog(c)
	err := s.transact(c, group)
	if errors.Is(err, authority.ErrFull) {
		s.hopeless = time.Now()
	}
	return err
}

func truncateLog(c *conn) {
	c.Query("PRAGMA wal_checkpoint(TRUNCATE)", func(sqlstore.Row) error { return nil })
}

func (s *Store) logSize() int64 {
	info, err := os.Stat(s.path + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}
