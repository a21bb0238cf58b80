package sqlite

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// position is how far a database has got.
type position struct {
	id, taken int64     // of its journal; zero: it has none
	highest   int64     // id of a certificate
	newest    time.Time // when the newest record was made
}

const (
	selectHighest = "SELECT seq FROM sqlite_sequence WHERE name = 'certificates'"
	updateHighest = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'certificates'"
	insertHighest = "INSERT INTO sqlite_sequence (name, seq) VALUES ('certificates', ?)"
	selectNewest  = "SELECT reserved_at FROM certificates ORDER BY reserved_at DESC LIMIT 1"
)

func positionOf(tx sqlstore.Tx) (p position, err error) {
	if p.id, err = sqlstore.Counter(tx, sqlstore.Journal); err != nil {
		return p, err
	}
	if p.taken, err = sqlstore.Counter(tx, sqlstore.Journaled); err != nil {
		return p, err
	}
	if err = tx.Query(selectHighest, number(&p.highest)); err != nil {
		return p, err
	}
	var at int64
	if err = tx.Query(selectNewest, number(&at)); err == nil && at != 0 {
		p.newest = time.UnixMicro(at).UTC()
	}
	return p, err
}

// verdict is what comparing a database with its journal comes to.
type verdict int

const (
	level    verdict = iota
	unknown          // there is no journal, and never was one
	trailing         // a crash between the journal and the database: nobody was told, so nothing has happened
	behind           // the database is a copy from before
	astray           // the journal is not the one that the database needs
)

// finding is a verdict with its grounds.
type finding struct {
	verdict
	why     string
	journal content
	missing []line // the changes that the database lacks
	kept    int64  // bytes of the lines before those
	at      position
}

// compare reads the journal at path, as far as the verdict needs it. where is asked after it is known what
// the journal has, so that a database that is being written is not found behind.
func compare(path string, where func() (position, error)) (*finding, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		at, err := where()
		if err != nil || at.id == 0 {
			return &finding{verdict: unknown, at: at}, err
		}
		return &finding{verdict: astray, at: at, why: "the database's journal is not there"}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	text := io.NewSectionReader(f, 0, size)
	v := &finding{}
	quick, err := scanHead(bufio.NewReader(text))
	if err != nil && !errors.Is(err, errNoJournal) {
		return nil, err
	}
	if v.at, err = where(); err != nil {
		return nil, err
	}
	if n, ok := lastLine(f, &quick, size); ok && v.at.id == quick.ID && v.at.taken == n && soundSums(f, &quick, size) {
		v.journal = quick
		v.journal.last, v.journal.good = n, size
	} else if err = v.read(text, quick.mark); err != nil {
		return nil, err
	}
	if v.at.id == quick.ID && v.at.taken > v.journal.last { // it has grown before where was asked
		if size, err = f.Seek(0, io.SeekEnd); err != nil {
			return nil, err
		}
		if n, ok := lastLine(f, &quick, size); ok && n >= v.at.taken {
			v.journal.last = n
		}
	}
	v.judge()
	return v, nil
}

// quickly is how much of the end of a journal is read to see that nothing is amiss.
const quickly = 1 << 16

// summed is how long a journal may be for all of it to be looked at whenever it is opened: some ten milliseconds.
const summed = 16 << 20

// soundSums reports whether the checksums of a journal's lines are right. A longer one is believed: its damages
// are found when it is needed.
func soundSums(f io.ReaderAt, c *content, size int64) bool {
	if size > summed {
		return true
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, c.begin, size-c.begin), 1<<16)
	for {
		b, err := readLine(in)
		if err != nil {
			return err == io.EOF
		}
		if textOf(b) == nil {
			return false
		}
	}
}

// lastLine returns the number of the last line if the file ends with a good one.
func lastLine(f io.ReaderAt, c *content, size int64) (int64, bool) {
	if c.ID == 0 || size <= c.begin {
		return c.Base, c.ID != 0 && size == c.begin
	}
	b := make([]byte, min(size-c.begin, quickly))
	if _, err := f.ReadAt(b, size-int64(len(b))); err != nil {
		return 0, false
	}
	if i := bytes.LastIndexByte(b[:len(b)-1], '\n'); i >= 0 {
		b = b[i+1:]
	}
	var l line
	if parse(b, &l, 0) != nil || l.check() != nil {
		return 0, false
	}
	return max(l.N, c.Base), true
}

// read reads all of a journal, and keeps what the database lacks.
func (v *finding) read(text *io.SectionReader, m mark) (err error) {
	if _, err = text.Seek(0, io.SeekStart); err != nil {
		return err
	}
	v.journal, err = scan(text, func(l *line, raw []byte) error {
		if l.N > v.at.taken {
			v.missing = append(v.missing, *l)
		} else {
			v.kept += int64(len(raw))
		}
		return nil
	})
	v.journal.mark = m // as it was before where was asked
	if errors.Is(err, errNoJournal) || errors.Is(err, errDamaged) {
		v.verdict, v.why, err = astray, "the journal: "+err.Error(), nil
	}
	return err
}

// judge says what it comes to.
func (v *finding) judge() {
	c, at := &v.journal, &v.at
	switch {
	case v.verdict == astray:
	case at.id == 0 && len(v.missing) == 0 && c.mark == mark{}:
		v.verdict = unknown
	case at.id == 0:
		v.verdict, v.why = behind, "the database knows of no journal, and there is one with it"
	case at.id != c.ID:
		v.verdict, v.why = astray, "the journal with the database is another one's"
	case at.taken > c.last:
		v.verdict, v.why = astray, "the database is ahead of its journal"
	case at.taken < c.Taken || at.highest < c.Certificates || at.taken < c.Base || v.batches() > 1:
		v.verdict, v.why = behind, "the database is older than its journal"
	case len(v.missing) > 0:
		v.verdict = trailing
	}
}

// batches returns how many transactions the missing changes were made in, two for any number above.
func (v *finding) batches() int {
	n, last := 0, int64(0)
	for _, l := range v.missing {
		if l.Batch != last {
			n, last = n+1, l.Batch
		}
	}
	return n
}

// apply makes the missing changes in the database.
func (v *finding) apply(c *conn) error {
	for _, l := range v.missing {
		var err error
		if l.Standing != nil {
			err = sqlstore.Restore(c, l.Standing)
		} else {
			err = sqlstore.RestoreNumber(c, l.CRL)
		}
		if err != nil {
			return err
		}
	}
	if v.journal.Certificates <= v.at.highest {
		return nil
	}
	// The ids of certificates that are lost are not given again, or the next older copy would pass for newer.
	n, err := c.Exec(updateHighest, v.journal.Certificates)
	if err == nil && n == 0 {
		_, err = c.Exec(insertHighest, v.journal.Certificates)
	}
	return err
}
