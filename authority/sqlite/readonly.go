package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// errReadOnly is what a store that was opened to be read says to everything else.
var errReadOnly = fmt.Errorf("sqlite: opened with Options.ReadOnly: %w", authority.ErrReadOnly)

// openReadOnly opens a file that is there, beside whoever writes it, and changes nothing of it.
func openReadOnly(path string, o Options) (*Store, error) {
	if path == "" {
		return nil, errors.New("sqlite: no path")
	}
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return nil, openError(path, err)
	}
	s := &Store{path: real, journal: journalOf(real, o), readOnly: true, refusal: errReadOnly, done: make(chan struct{}), readers: make(chan *conn, o.Readers)}
	s.life, s.end = context.WithCancel(context.Background())
	for range o.Readers {
		s.readers <- nil
	}
	if err = s.check(); err == nil {
		err = s.look()
	}
	if err != nil {
		return nil, errors.Join(openError(real, err), s.Close())
	}
	return s, nil
}

// look compares the file with its journal, for what is read to say what the journal does. A copy without its
// journal can be looked into, too.
func (s *Store) look() error {
	var v *finding
	var err error
	for range 3 { // while it is compared, a writer may put a shorter journal in its place
		if v, err = s.compare(); err != nil || v.verdict < behind {
			return err
		}
	}
	s.gap = v.gap()
	if v.verdict == behind {
		s.over = overlayOf(v)
	}
	return nil
}

func (s *Store) compare() (*finding, error) {
	return compare(s.journal, func() (p position, err error) {
		err = s.read(s.life, func(tx sqlstore.Tx) (err error) {
			p, err = positionOf(tx)
			return err
		})
		return p, err
	})
}

// check refuses what is not ours, and a schema that this program does not read.
func (s *Store) check() error {
	want, err := sqlstore.Version("sqlite")
	if err != nil {
		return err
	}
	return s.read(s.life, func(tx sqlstore.Tx) error {
		var id, have int64
		if err := tx.Query("PRAGMA application_id", number(&id)); err != nil {
			return err
		}
		if id != applicationID {
			return errForeign
		}
		if err := tx.Query("SELECT max(version_id) FROM schema_versions", number(&have)); err != nil {
			return err
		}
		switch {
		case have > want:
			return &SchemaError{Database: have, Program: want}
		case have < want:
			return fmt.Errorf("%w: its schema has version %d, and %d is read; opening it for writing brings it up to date", authority.ErrReadOnly, have, want)
		}
		return nil
	})
}

// number takes the one integer of a row.
func number(n *int64) func(sqlstore.Row) error {
	return func(r sqlstore.Row) error {
		v, ok := r[0].(int64)
		if !ok {
			return fmt.Errorf("sqlite: %T where an integer was expected", r[0])
		}
		*n = v
		return nil
	}
}

// closeReaders ends a store that has no writer to do it.
func (s *Store) closeReaders() {
	var errs []error
	for range cap(s.readers) {
		if r := <-s.readers; r != nil {
			errs = append(errs, r.close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	s.err = errors.Join(errs...)
	close(s.done)
}
