package sqlite

import (
	"errors"
	"io"
	"os"
	"time"
)

// ledgerSlack is what a journal may grow by, beyond twice its size, before it is worth writing anew.
const ledgerSlack = 1 << 20

// overgrown reports whether a journal may have much that no longer matters.
func (l *ledger) overgrown() bool { return l.end > 2*l.small+ledgerSlack }

// compact writes the journal anew: of each certificate and each CRL the last line only, and nothing of
// certificates that ended before that moment. The zero time keeps them all.
func (l *ledger) compact(before time.Time) error {
	if l.torn {
		if err := l.cut(); err != nil {
			return err
		}
	}
	lines := func(each func(*line, []byte) error) error {
		_, err := scan(io.NewSectionReader(l.f, 0, l.end), each)
		return err
	}
	latest := map[string]int64{}
	if err := lines(func(v *line, _ []byte) error { latest[v.key()] = v.N; return nil }); err != nil {
		return err
	}
	w, err := makeLedger(l.path, head{Version: journalVersion, ID: l.id, Base: l.last},
		mark{Certificates: l.highest, Taken: l.taken, At: time.Now().UnixMicro()})
	if err != nil {
		return err
	}
	err = lines(func(v *line, raw []byte) error {
		ended := v.Standing != nil && !before.IsZero() && v.Standing.NotAfter < before.UnixMicro()
		if latest[v.key()] == v.N && !ended {
			w.raw(raw)
		}
		return w.err
	})
	if err = errors.Join(err, w.done()); err != nil {
		os.Remove(l.path + unborn)
		return err
	}
	return l.replace()
}

// replace goes on with the journal that was written to take this one's place.
func (l *ledger) replace() error {
	err := l.f.Close() // Windows renames nothing over an open file
	if err == nil {
		if err = os.Rename(l.path+unborn, l.path); err == nil {
			err = syncFolder(l.path)
		}
	}
	f, again := os.OpenFile(l.path, os.O_RDWR, 0o600)
	if again != nil { // l.f is closed: changes are refused from now on
		return errors.Join(err, again)
	}
	l.f = f
	c, again := headOf(l.path)
	size, more := f.Seek(0, io.SeekEnd)
	if again = errors.Join(again, more); again == nil {
		l.begin, l.end = c.begin, size
	}
	if err = errors.Join(err, again); err == nil {
		l.small = size
	}
	return err
}
