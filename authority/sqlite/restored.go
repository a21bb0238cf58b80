package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// ErrRestored says that a database is not as far as its journal, or that the journal cannot tell: somebody has
// put an older copy in its place. It matches authority.ErrReadOnly, and so authority.ErrUnavailable.
var ErrRestored error = restoredError{}

type restoredError struct{}

func (restoredError) Error() string {
	return "sqlite: the database was restored from an older copy, or its journal was lost"
}
func (restoredError) Is(target error) bool {
	return target == authority.ErrReadOnly || target == authority.ErrUnavailable
}

// Restored says what Open does with a database that was restored from an older copy. The zero value opens it
// without writing anything; see [ErrRestored].
type Restored int

const (
	// Replay makes the changes that the journal has and the database lacks, and goes on. Of certificates that
	// were issued since the copy was made, only those that the journal names have a record then; what else
	// the copy lacks (spent credentials, undelivered events) is lost.
	Replay Restored = 1 + iota

	// Accept does what Replay does as far as the journal allows, and begins a new one if it is missing, damaged
	// or another database's. Revocations that only the lost journal knew are lost with it. A journal that is
	// replaced is kept beside the new one, with a number at the end of its name.
	Accept
)

// MarshalText writes r as flags and files have it: "replay", "accept", or nothing.
func (r Restored) MarshalText() ([]byte, error) {
	switch r {
	case 0:
		return nil, nil
	case Replay:
		return []byte("replay"), nil
	case Accept:
		return []byte("accept"), nil
	}
	return nil, errRestoredText
}

// UnmarshalText reads what MarshalText writes.
func (r *Restored) UnmarshalText(text []byte) error {
	for _, v := range []Restored{0, Replay, Accept} {
		if s, _ := v.MarshalText(); string(s) == string(text) {
			*r = v
			return nil
		}
	}
	return errRestoredText
}

var errRestoredText = errors.New("sqlite: what is to be done with a restored database is neither replay nor accept")

// Gap is what a restored database lacked when it was opened.
type Gap struct {
	Reason       string    // what was found
	Revocations  int       // of certificates that the database has as not revoked
	Changes      int       // of certificates' standing, those included
	CRLs         int       // newer ones that were published
	Certificates int64     // records at least
	Since        time.Time // when the newest record in the database was made; zero: there is none
	Until        time.Time // when the journal was last written to by an issuance or a change; zero: not known
}

// String says it for people.
func (g *Gap) String() string {
	if *g == (Gap{Reason: g.Reason, Since: g.Since, Until: g.Until}) {
		return g.Reason // what it lacks is not known
	}
	text := fmt.Sprintf("%s: missing are %d revocations, %d newer CRLs, and %d records of certificates", g.Reason, g.Revocations, g.CRLs, g.Certificates)
	if !g.Since.IsZero() {
		text += ", since " + g.Since.Format(time.RFC3339)
	}
	return text
}

// Gap returns what the database lacked when it was opened, or nil if nothing. Whether it lacks that still is a
// matter of Options.Restored.
func (s *Store) Gap() *Gap {
	if s.gap == nil {
		return nil
	}
	g := *s.gap
	return &g
}

// gap sums up a finding.
func (v *finding) gap() *Gap {
	g := &Gap{Reason: v.why, Since: v.at.newest, Certificates: max(0, v.journal.Certificates-v.at.highest)}
	if v.journal.At != 0 {
		g.Until = time.UnixMicro(v.journal.At).UTC()
	}
	seen := map[string]*line{}
	for i := range v.missing {
		seen[v.missing[i].key()] = &v.missing[i]
	}
	for _, l := range seen {
		switch {
		case l.CRL != nil:
			g.CRLs++
		default:
			g.Changes++
			if l.Standing.Revoked() {
				g.Revocations++
			}
		}
	}
	return g
}

func (g *Gap) err() error { return fmt.Errorf("%w: %s", ErrRestored, g) }

// catchUp compares the database with its journal, and opens the journal for writing; or it makes the store
// one that refuses to write.
func (s *Store) catchUp(w *conn, o Options) error {
	if a, err := os.Stat(s.path); err == nil {
		if b, err := os.Stat(s.journal); err == nil && os.SameFile(a, b) {
			return errors.New("the journal cannot be in the database's file")
		}
	}
	at, err := positionOf(w)
	if err == nil {
		err = settle(s.journal, at.id)
	}
	if err != nil {
		return err
	}
	v, err := compare(s.journal, func() (position, error) { return positionOf(w) })
	if err != nil {
		return err
	}
	if v.verdict == behind || v.verdict == astray {
		s.gap = v.gap()
		if v.verdict == astray && o.Restored != Accept {
			return s.gap.err() // what is revoked is not known, so nothing that could be read is worth it
		}
		if o.Restored != Replay && o.Restored != Accept {
			s.refusal, s.over = s.gap.err(), overlayOf(v)
			return nil
		}
	}
	if err := s.replay(w, v, o); err != nil {
		return err
	}
	s.ledger, err = openLedger(w, s.journal)
	return err
}

// replay brings database and journal to the same point.
func (s *Store) replay(w *conn, v *finding, o Options) error {
	if v.verdict == trailing {
		return v.drop(s.journal)
	}
	anew := v.verdict == unknown || v.verdict == astray || v.verdict == behind && v.at.id == 0 && o.Restored == Accept
	known := v.at.id == v.journal.ID || v.at.id == 0 && !anew
	if known && v.verdict != level && v.journal.ID != 0 {
		err := w.within(func() error {
			if err := v.apply(w); err != nil || anew {
				return err
			}
			return errors.Join(sqlstore.SetCounter(w, sqlstore.Journal, v.journal.ID), sqlstore.SetCounter(w, sqlstore.Journaled, v.journal.last))
		})
		if err != nil {
			return err
		}
	}
	if anew {
		return beginLedger(w, s.journal)
	}
	return nil
}

// drop takes the last changes off the journal, which never were in the database: whoever asked for them got no
// answer. Made now, they would be without what belongs to them: their events, and the credentials they spend.
func (v *finding) drop(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err = f.Truncate(v.journal.begin + v.kept); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// openLedger opens a journal that is level with its database.
func openLedger(w *conn, path string) (l *ledger, err error) {
	v, err := compare(path, func() (position, error) { return positionOf(w) })
	if err != nil {
		return nil, err
	}
	if v.verdict != level {
		return nil, fmt.Errorf("sqlite: the journal changed while it was opened: %s", v.why)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	l = &ledger{path: path, f: f, id: v.journal.ID, begin: v.journal.begin, end: v.journal.good, last: v.journal.last,
		highest: v.at.highest, taken: v.at.taken}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size > l.end { // a line that was cut off
		err = l.cut()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.note()
	return l, nil
}
