package sqlite

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// A journal is text: in each line a checksum, a space, and JSON. The first says whose journal it is, the
// second how far the database had got, and each of the others how things stand since one change.

// head is the first line.
type head struct {
	Version int   `json:"chancery_journal"`
	ID      int64 `json:"id,string"`
	Base    int64 `json:"base"` // the last N when the file was made: lines up to there that no longer matter are gone
}

const journalVersion = 1

// mark is the second line, of a fixed length, written over without waiting for the disk: it outlives a
// process that is killed. After a power cut it may be an older one, never one ahead of the database.
type mark struct {
	Certificates int64 `json:"certificates"` // the highest id given
	Taken        int64 `json:"taken"`        // the last change that is in the database
	At           int64 `json:"at"`           // microseconds since 1970
}

// markSize leaves room for three numbers of any length; head and mark fit into one sector.
const markSize = 160

// line is one of the others. It has one of Standing and CRL.
type line struct {
	N        int64               `json:"n"`     // rises
	Batch    int64               `json:"batch"` // the first N of those that were written at once
	Standing *sqlstore.Standing  `json:"standing,omitempty"`
	CRL      *sqlstore.CRLNumber `json:"crl,omitempty"`
}

func (l *line) check() error {
	switch {
	case l.N <= 0 || l.Batch <= 0 || l.Batch > l.N || (l.Standing == nil) == (l.CRL == nil):
		return errLine
	case l.Standing != nil:
		return l.Standing.Check()
	}
	return l.CRL.Check()
}

// frame appends l to b. Of a record that is too long, what can be left out is: it must not keep the certificate
// from being revoked.
func (l *line) frame(b []byte) ([]byte, error) {
	out, err := frame(b, l, 0)
	if err == errLength && l.Standing != nil {
		l.Standing.Shorten()
		return frame(b, l, 0)
	}
	return out, err
}

// key names what l is about: of lines with the same one, the last counts.
func (l *line) key() string {
	if l.Standing != nil {
		return string(l.Standing.Serial)
	}
	return fmt.Sprintf("/%d/%d/%s", l.CRL.Kind, l.CRL.Shard, l.CRL.Issuer)
}

// maxLine is above what a record with all its names can take.
const maxLine = 8 << 20

var (
	errLine   = errors.New("sqlite: a line of the journal is damaged")
	errLength = errors.New("sqlite: a change does not fit into a line of the journal")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame appends v as a line to b, padded to size if that is not 0.
func frame(b []byte, v any, size int) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("sqlite: writing the journal: %w", err)
	}
	for len(text)+10 < size {
		text = append(text, ' ')
	}
	if len(text)+10 > maxLine || size > 0 && len(text)+10 > size {
		return b, errLength
	}
	return append(append(appendSum(b, text), text...), '\n'), nil
}

func appendSum(b, text []byte) []byte {
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(text, castagnoli))
	return append(hex.AppendEncode(b, sum), ' ')
}

// parse takes one line, with its end, into v. It accepts only what frame writes.
func parse(b []byte, v any, size int) error {
	text := textOf(b)
	if text == nil || size > 0 && len(b) != size {
		return errLine
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%w: %w", errLine, err)
	}
	if again, err := frame(nil, v, size); err != nil || !bytes.Equal(again, b) {
		return errLine
	}
	return nil
}

// textOf returns what the checksum of a line is of, and nil if it is not.
func textOf(b []byte) []byte {
	if len(b) < 12 || b[8] != ' ' || b[len(b)-1] != '\n' {
		return nil
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], b[:8]); err != nil {
		return nil
	}
	text := b[9 : len(b)-1]
	if binary.BigEndian.Uint32(sum[:]) != crc32.Checksum(text, castagnoli) {
		return nil
	}
	return text
}

// content is what a journal says.
type content struct {
	head
	mark
	begin int64 // where the lines of changes do
	good  int64 // where the last of them ends; after it there may be one that was cut off
	last  int64 // its number, or the base
}

var (
	errNoJournal = errors.New("it is no journal")
	errDamaged   = errors.New("it is damaged in the middle")
)

// scan reads a journal and calls each for the lines of changes, in their order, with the bytes they are in.
// What was cut off at the end is no error; something good after something damaged is.
func scan(r io.Reader, each func(l *line, raw []byte) error) (c content, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	if c, err = scanHead(in); err != nil {
		return c, err
	}
	bad, before := false, int64(0)
	for {
		raw, err := readLine(in)
		if err == io.EOF {
			return c, nil
		}
		if err != nil && err != errLine {
			return c, err
		}
		var l line
		if err == nil {
			if err = parse(raw, &l, 0); err == nil {
				err = l.check()
			}
		}
		switch {
		case err != nil:
			bad = true
			continue
		case bad || l.N <= before:
			return c, errDamaged
		}
		c.good += int64(len(raw))
		before, c.last = l.N, max(l.N, c.last)
		if err := each(&l, raw); err != nil {
			return c, err
		}
	}
}

func scanHead(in *bufio.Reader) (c content, err error) {
	raw, err := readLine(in)
	if err == nil {
		err = parse(raw, &c.head, 0)
	}
	if err != nil || c.Version != journalVersion || c.ID <= 0 || c.Base < 0 {
		if err == nil || err == io.EOF || errors.Is(err, errLine) {
			err = errNoJournal
		}
		return c, err
	}
	c.begin = int64(len(raw)) + markSize
	c.good, c.last = c.begin, c.Base
	second := make([]byte, markSize)
	if _, err := io.ReadFull(in, second); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errNoJournal
		}
		return c, err
	}
	if parse(second, &c.mark, markSize) != nil {
		c.mark = mark{} // a power cut: then there is none
	}
	return c, nil
}

// readLine returns the next line with its end; io.EOF if no whole one is left; errLine if it is too long.
func readLine(in *bufio.Reader) ([]byte, error) {
	var long []byte
	for tooLong := false; ; {
		part, err := in.ReadSlice('\n')
		if tooLong = tooLong || len(long)+len(part) > maxLine; !tooLong && (err == bufio.ErrBufferFull || long != nil) {
			long = append(long, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err != nil:
			return nil, err
		case tooLong:
			return nil, errLine
		case long != nil:
			return long, nil
		default:
			return part, nil
		}
	}
}
