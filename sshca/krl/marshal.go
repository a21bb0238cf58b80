package krl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
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

// Marshal returns the list in wire form, without a signature: what is in a list determines its bytes. The
// order of ranges and key ids is that of the list, which must be sorted.
func (l *List) Marshal() ([]byte, error) {
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
	return b.b, nil
}

func (c *Certificates) check() error {
	var last uint64
	for _, r := range c.Serials {
		if r.First == 0 || r.Last < r.First || r.First <= last {
			return errors.New("serials are not in order, or zero")
		}
		last = r.Last
	}
	if !slices.IsSorted(c.KeyIDs) || slices.Contains(c.KeyIDs, "") {
		return errors.New("key ids are not in order, or empty")
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

// piece is a sub-section of serials, in one of the three ways there are.
type piece struct {
	kind   byte
	ranges []Range
}

// What the three ways cost, in bytes: a sub-section and what it holds.
const (
	costSection = 5
	costSerial  = 8
	costRange   = costSection + 16
	costBitmap  = costSection + 8 + 4 + 1
	maxBitmap   = 1 << 16 // bits
)

// pieces divides serials into sub-sections, each in the way that is shortest for it: a range where there
// are enough in a row, a bitmap where there are enough close together, and else a list.
func pieces(ranges []Range) (out []piece) {
	add := func(kind byte, r ...Range) {
		if n := len(out); kind == serialList && n > 0 && out[n-1].kind == serialList {
			out[n-1].ranges = append(out[n-1].ranges, r...)
			return
		}
		out = append(out, piece{kind, r})
	}
	for len(ranges) > 0 {
		n, alone := cluster(ranges)
		if n > 1 {
			bits := ranges[n-1].Last - ranges[0].First + 1
			if costBitmap+int(bits/8) < alone {
				add(serialBitmap, ranges[:n]...)
				ranges = ranges[n:]
				continue
			}
		}
		if r := ranges[0]; r.Last-r.First+1 > costRange/costSerial { // three or more in a row
			add(serialRange, r)
		} else {
			add(serialList, r)
		}
		ranges = ranges[1:]
	}
	return out
}

// cluster returns how many of the first ranges are close enough for one bitmap, and what they cost without.
func cluster(ranges []Range) (n, alone int) {
	for n < len(ranges) && ranges[n].Last-ranges[0].First < maxBitmap {
		if n > 0 && ranges[n].First-ranges[n-1].Last > 8*costSerial {
			break
		}
		alone += int(min(costRange, (ranges[n].Last-ranges[n].First+1)*costSerial))
		n++
	}
	return n, alone
}

func (p *piece) marshal() []byte {
	var b writer
	switch first := p.ranges[0]; p.kind {
	case serialRange:
		b.u64(first.First)
		b.u64(first.Last)
	case serialBitmap:
		var bits big.Int
		for _, r := range p.ranges {
			for n := r.First; ; n++ {
				bits.SetBit(&bits, int(n-first.First), 1)
				if n == r.Last {
					break
				}
			}
		}
		v := bits.Bytes()
		if v[0]&0x80 != 0 { // an mpint is signed (RFC 4251, section 5)
			v = append([]byte{0}, v...)
		}
		b.u64(first.First)
		b.bytes(v)
	default:
		for _, r := range p.ranges {
			for n := r.First; ; n++ {
				b.u64(n)
				if n == r.Last {
					break
				}
			}
		}
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
