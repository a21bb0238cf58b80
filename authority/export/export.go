package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/chancery-ca/chancery/authority"
)

// JSONLines writes each record as a JSON object on one line, as the package's documentation says. It stops at
// the first error, of records or of w; the lines before that are whole.
func JSONLines(w io.Writer, records iter.Seq2[*authority.Record, error]) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false) // it is for programs, and for people with grep
	for r, err := range records {
		if err != nil {
			return err
		}
		line.Reset()
		if err := enc.Encode(documentOf(r)); err != nil {
			return fmt.Errorf("export: record %s: %w", r.Serial, err)
		}
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// PEM writes the certificates of the records, one after the other. Records without one, and those of SSH
// certificates, are left out. It stops
// at the first error, of records or of w.
func PEM(w io.Writer, records iter.Seq2[*authority.Record, error]) error {
	for r, err := range records {
		if err != nil {
			return err
		}
		if len(r.DER) == 0 || r.IsSSH() {
			continue
		}
		if _, err := w.Write(r.Text()); err != nil {
			return err
		}
	}
	return nil
}

// Bare yields the records without their certificates, which are most of an export's size.
func Bare(records iter.Seq2[*authority.Record, error]) iter.Seq2[*authority.Record, error] {
	return func(yield func(*authority.Record, error) bool) {
		for r, err := range records {
			if err == nil {
				bare := *r // the record is not ours
				bare.DER, bare.TBS, r = nil, nil, &bare
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// maxLine is the most that Read takes for one record: one of the largest certificate that is issued has less.
const maxLine = 4 << 20

// Read yields the records that [JSONLines] wrote to what r reads. Lines over 4 MiB are an error; empty ones
// are read over. After an error it yields nothing more.
func Read(r io.Reader) iter.Seq2[*authority.Record, error] {
	return func(yield func(*authority.Record, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLine)
		n := 0
		for lines.Scan() {
			n++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			record, err := Parse(lines.Bytes())
			if err != nil {
				yield(nil, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(record, nil) {
				return
			}
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(nil, fmt.Errorf("export: line %d is over the limit of %d octets", n+1, maxLine))
		} else if err != nil {
			yield(nil, err)
		}
	}
}
