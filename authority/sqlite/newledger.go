package sqlite

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// ledgerMaker writes a journal beside the one that it is to replace.
type ledgerMaker struct {
	f   *os.File
	err error
	buf []byte
	end int64
}

const (
	unborn  = ".new"
	flushed = 1 << 18
)

func makeLedger(path string, h head, m mark) (*ledgerMaker, error) {
	f, err := os.OpenFile(path+unborn, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w := &ledgerMaker{f: f}
	w.add(&h, 0)
	w.add(&m, markSize)
	return w, nil
}

func (w *ledgerMaker) add(v any, size int) {
	if w.err == nil {
		if w.buf, w.err = frame(w.buf, v, size); len(w.buf) > flushed {
			w.flush()
		}
	}
}

func (w *ledgerMaker) line(l *line) {
	if w.err == nil {
		if w.buf, w.err = l.frame(w.buf); len(w.buf) > flushed {
			w.flush()
		}
	}
}

func (w *ledgerMaker) raw(b []byte) {
	if w.buf = append(w.buf, b...); len(w.buf) > flushed {
		w.flush()
	}
}

func (w *ledgerMaker) flush() {
	if w.err == nil {
		_, w.err = w.f.WriteAt(w.buf, w.end)
	}
	w.end += int64(len(w.buf))
	w.buf = w.buf[:0]
}

// done returns when everything is on the disk.
func (w *ledgerMaker) done() error {
	w.flush()
	if w.err == nil {
		w.err = w.f.Sync()
	}
	err := errors.Join(w.err, w.f.Close())
	if err != nil {
		os.Remove(w.f.Name())
	}
	return err
}

// beginLedger gives the database a journal, of all that it has to say, in the place of whatever is at path:
// that is kept, under another name.
func beginLedger(c *conn, path string) (err error) {
	id := newLedgerID()
	w, err := makeLedger(path, head{Version: journalVersion, ID: id}, mark{})
	if err != nil {
		return err
	}
	n := int64(0)
	add := func(l line) error {
		n++
		l.N, l.Batch = n, 1
		w.line(&l)
		return w.err
	}
	err = sqlstore.Numbers(c, func(v *sqlstore.CRLNumber) error { return add(line{CRL: v}) })
	for after := int64(-1); err == nil && after != 0; {
		after, err = sqlstore.Standings(c, max(after, 0), 1000, func(v *sqlstore.Standing) error { return add(line{Standing: v}) })
	}
	if err = errors.Join(err, w.done()); err != nil {
		os.Remove(path + unborn)
		return err
	}
	if err := syncFolder(path); err != nil {
		return err
	}
	err = c.within(func() error {
		return errors.Join(sqlstore.SetCounter(c, sqlstore.Journal, id), sqlstore.SetCounter(c, sqlstore.Journaled, n))
	})
	if err != nil {
		return err
	}
	return settle(path, id)
}

// settle finishes, or undoes, what was begun when a process ended: a new journal that the database knows of
// takes its place, any other goes.
func settle(path string, id int64) error {
	c, err := headOf(path + unborn)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil && !errors.Is(err, errNoJournal):
		return err
	case err != nil || c.ID != id:
		return os.Remove(path + unborn)
	}
	switch old, err := headOf(path); {
	case errors.Is(err, os.ErrNotExist):
	case err == nil && old.ID == id: // it was about to lose what no longer matters
		return os.Remove(path + unborn)
	default:
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, time.Now().UnixMicro())); err != nil {
			return err
		}
	}
	if err := os.Rename(path+unborn, path); err != nil {
		return err
	}
	return syncFolder(path)
}

// headOf reads the head of a journal.
func headOf(path string) (content, error) {
	f, err := os.Open(path)
	if err != nil {
		return content{}, err
	}
	defer f.Close()
	return scanHead(bufio.NewReader(f))
}

// syncFolder makes the names in a folder last. Windows has no such thing, and needs none.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func newLedgerID() int64 {
	var b [8]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:])>>1 | 1)
}
