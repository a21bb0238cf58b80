package krl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The numbers of PROTOCOL.krl.
const (
	magic         = 0x5353484b524c0a00
	formatVersion = 1

	sectionCertificates = 1
	sectionKeys         = 2
	sectionSHA1         = 3
	sectionSignature    = 4
	sectionSHA256       = 5
	sectionExtension    = 255

	serialList   = 0x20
	serialRange  = 0x21
	serialBitmap = 0x22
	keyIDs       = 0x23
	extension    = 0x39
)

// Marshal returns the list in wire form, without a signature: what is in a list determines its bytes. Ranges
// and key ids must be in order, and ranges apart, as those of [RangesOf] are. Whatever Parse would not read,
// or OpenSSH, is an error.
func (l *List) Marshal() ([]byte, error) {
	if strings.Contains(l.Comment, "\x00") || l.Generated.Unix() > maxDate {
		return nil, errors.New("krl: the comment or the date cannot be written")
	}
	var b writer
	b.u64(magic)
	b.u32(formatVersion)
	b.u64(l.Version)
	b.u64(uint64(max(l.Generated.Unix(), 0)))
	b.u64(0) // flags
	b.text("")
	b.text(l.Comment)
	for i, c := range l.Certificates {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("krl: certificates %d: %w", i, err)
		}
		b.section(sectionCertificates, c.marshal())
	}
	for _, s := range []struct {
		kind byte
		size int // of each; 0: any
		list [][]byte
	}{{sectionKeys, 0, l.Keys}, {sectionSHA1, 20, l.SHA1}, {sectionSHA256, 32, l.SHA256}} {
		if len(s.list) == 0 {
			continue
		}
		var data writer
		for _, v := range s.list {
			if len(v) == 0 || s.size > 0 && len(v) != s.size {
				return nil, errors.New("krl: a key or fingerprint has the wrong length")
			}
			data.bytes(v)
		}
		b.section(s.kind, data.b)
	}
	if len(b.b) > Max {
		return nil, fmt.Errorf("krl: the list would be longer than %d bytes", Max)
	}
	return b.b, nil
}

func (c *Certificates) check() error {
	for i, r := range c.Serials {
		if r.First == 0 || r.Last < r.First || i > 0 && (r.First <= c.Serials[i-1].Last || r.First-1 == c.Serials[i-1].Last) {
			return errors.New("serials are zero, not in order, or not apart")
		}
	}
	for i, id := range c.KeyIDs {
		if strings.Contains(id, "\x00") || i > 0 && id <= c.KeyIDs[i-1] {
			return errors.New("key ids are not in order, or hold a zero byte")
		}
	}
	return nil
}

func (c *Certificates) marshal() []byte {
	var b writer
	b.bytes(c.CA)
	b.text("")
	for _, p := range pieces(c.Serials) {
		b.section(p.kind, p.marshal())
	}
	if len(c.KeyIDs) > 0 {
		var data writer
		for _, id := range c.KeyIDs {
			data.text(id)
		}
		b.section(keyIDs, data.b)
	}
	return b.b
}

// writer puts down what RFC 4251, section 5, has.
type writer struct{ b []byte }

func (w *writer) u32(n uint32)   { w.b = binary.BigEndian.AppendUint32(w.b, n) }
func (w *writer) u64(n uint64)   { w.b = binary.BigEndian.AppendUint64(w.b, n) }
func (w *writer) text(s string)  { w.bytes([]byte(s)) }
func (w *writer) bytes(v []byte) { w.u32(uint32(len(v))); w.b = append(w.b, v...) }

func (w *writer) section(kind byte, data []byte) {
	w.b = append(w.b, kind)
	w.bytes(data)
}

func equal(a, b *List) bool {
	x, xerr := a.Marshal()
	y, yerr := b.Marshal()
	return xerr == nil && yerr == nil && bytes.Equal(x, y)
}
