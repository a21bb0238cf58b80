package krl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Max is the longest list that is read, in bytes: more than a million serials of no order.
const Max = 16 << 20

const (
	maxDate   = 1 << 40 // seconds
	maxRanges = 4 << 20 // in all, as bitmaps hold many in few bytes
)

// ErrFormat is about something that is no key revocation list, or one that asks for what is not known here.
var ErrFormat = errors.New("krl: not a key revocation list")

// Parse reads a list, and is stricter than OpenSSH in what it takes for one: a file that sshd cannot read makes
// it let nobody in, so none may pass for a list here. The exception are extensions that are not critical; those
// OpenSSH refuses before 9.4.
//
// Signatures are checked against the keys that they name, which says nothing about whose keys they are: see
// [Verify]. A list that is not signed, and ends early between two sections, looks like a whole one.
// What was read and is written again is the same list, in bytes that may differ. Errors are [ErrFormat].
func Parse(b []byte) (*List, error) {
	l, _, err := parse(b)
	return l, err
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// parse returns the keys that signed the list, too.
func parse(b []byte) (*List, []ssh.PublicKey, error) {
	if len(b) > Max {
		return nil, nil, wrong("longer than %d bytes", Max)
	}
	r := &reader{b: b}
	if r.u64() != magic || r.u32() != formatVersion {
		return nil, nil, wrong("it begins like something else")
	}
	l := &List{Version: r.u64()}
	generated := r.u64()
	r.u64() // flags, of which there are none yet
	r.bytes()
	l.Comment = string(r.bytes())
	if r.short || generated > maxDate || strings.Contains(l.Comment, "\x00") {
		return nil, nil, wrong("its beginning is cut off, or makes no sense")
	}
	l.Generated = time.Unix(int64(generated), 0).UTC()
	var signers []ssh.PublicKey
	room := maxRanges
	for len(r.b) > 0 {
		kind := r.u8()
		if kind == sectionSignature {
			k, err := r.signature(b)
			if err != nil {
				return nil, nil, err
			}
			signers = append(signers, k)
			continue
		}
		if len(signers) > 0 {
			return nil, nil, wrong("something follows its signature")
		}
		data := r.bytes()
		if r.short {
			return nil, nil, wrong("a section is cut off")
		}
		if err := l.section(kind, data, &room); err != nil {
			return nil, nil, err
		}
	}
	if r.short {
		return nil, nil, wrong("it is cut off")
	}
	return l, signers, nil
}

// signature reads a signature over everything before it, and its key, of the whole list.
func (r *reader) signature(whole []byte) (ssh.PublicKey, error) {
	wire := r.bytes()
	signed := whole[:len(whole)-len(r.b)]
	blob := r.bytes()
	if r.short {
		return nil, wrong("a signature is cut off")
	}
	k, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, wrong("the key of a signature cannot be read")
	}
	var s ssh.Signature
	if ssh.Unmarshal(blob, &s) != nil || len(s.Rest) > 0 || !slices.Contains(algorithms, s.Format) || k.Verify(signed, &s) != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, errMismatch)
	}
	return k, nil
}

func (l *List) section(kind byte, data []byte, room *int) error {
	r := &reader{b: data}
	lists := map[byte]struct {
		size int
		to   *[][]byte
	}{sectionKeys: {0, &l.Keys}, sectionSHA1: {20, &l.SHA1}, sectionSHA256: {32, &l.SHA256}}
	switch kind {
	case sectionCertificates:
		return l.certificates(r, room)
	case sectionExtension:
		return r.extension()
	case sectionKeys, sectionSHA1, sectionSHA256:
		for len(r.b) > 0 {
			v := r.bytes()
			if r.short || len(v) == 0 || lists[kind].size > 0 && len(v) != lists[kind].size {
				return wrong("a key or fingerprint has the wrong length")
			}
			*lists[kind].to = append(*lists[kind].to, slices.Clone(v))
		}
		return nil
	}
	return wrong("section %d is not known", kind)
}

func (l *List) certificates(r *reader, room *int) error {
	c := Certificates{CA: slices.Clone(r.bytes())}
	r.bytes()
	if r.short {
		return wrong("a section is cut off")
	}
	if len(c.CA) == 0 {
		c.CA = nil
	} else {
		k, err := ssh.ParsePublicKey(c.CA)
		if err != nil {
			return wrong("the key of a CA cannot be read")
		}
		c.CA = k.Marshal() // in the one spelling that Revokes compares
	}
	for len(r.b) > 0 {
		kind, data := r.u8(), r.bytes()
		if r.short {
			return wrong("a section is cut off")
		}
		if err := c.part(kind, &reader{b: data}); err != nil {
			return err
		}
		if len(c.Serials) > *room {
			return wrong("too many serials")
		}
	}
	*room -= len(c.Serials)
	c.normalize()
	l.Certificates = append(l.Certificates, c)
	return nil
}

func (c *Certificates) part(kind byte, r *reader) error {
	switch kind {
	case serialList:
		for len(r.b) > 0 {
			n := r.u64()
			if r.short || n == 0 {
				return wrong("a serial is zero, or cut off")
			}
			c.Serials = append(c.Serials, Range{n, n})
		}
	case serialRange:
		first, last := r.u64(), r.u64()
		if r.short || len(r.b) > 0 || first == 0 || first > last {
			return wrong("a range of serials is none")
		}
		c.Serials = append(c.Serials, Range{first, last})
	case serialBitmap:
		return c.bitmap(r)
	case keyIDs:
		for len(r.b) > 0 {
			id := string(r.bytes())
			if r.short || strings.Contains(id, "\x00") {
				return wrong("a key id is cut off, or holds a zero byte")
			}
			c.KeyIDs = append(c.KeyIDs, id)
		}
	case extension:
		return r.extension()
	default:
		return wrong("section %#x of certificates is not known", kind)
	}
	return nil
}

func (c *Certificates) bitmap(r *reader) error {
	offset, v := r.u64(), r.bytes()
	if r.short || len(r.b) > 0 || len(v) > 0 && v[0]&0x80 != 0 {
		return wrong("a bitmap of serials is none")
	}
	if len(v) > 0 && v[0] == 0 {
		v = v[1:]
	}
	if len(v) > maxBitmap/8 {
		return wrong("a bitmap of serials is too long")
	}
	for i := range 8 * len(v) {
		if v[len(v)-1-i/8]>>(i%8)&1 == 0 {
			continue
		}
		n := offset + uint64(i)
		if n < offset || n == 0 {
			return wrong("a bitmap has serials that there are not")
		}
		if last := len(c.Serials) - 1; last >= 0 && c.Serials[last].Last == n-1 {
			c.Serials[last].Last = n
		} else {
			c.Serials = append(c.Serials, Range{n, n})
		}
	}
	return nil
}

// normalize sorts, and joins what touches.
func (c *Certificates) normalize() {
	slices.SortFunc(c.Serials, func(a, b Range) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	})
	var out []Range
	for _, r := range c.Serials {
		if n := len(out); n > 0 && (r.First <= out[n-1].Last || r.First-1 == out[n-1].Last) {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	c.Serials = out
	slices.Sort(c.KeyIDs)
	c.KeyIDs = slices.Compact(c.KeyIDs)
}

// reader takes apart what RFC 4251, section 5, has. It is short once something was missing.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u8() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *reader) bytes() []byte {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)) {
		r.short, r.b = true, nil
		return nil
	}
	return r.take(int(n))
}

// extension reads one, and refuses it if it is critical: none is known here.
func (r *reader) extension() error {
	r.bytes()
	critical := r.u8()
	r.bytes()
	if r.short || len(r.b) > 0 {
		return wrong("an extension is cut off")
	}
	if critical != 0 {
		return wrong("it has a critical extension that is not known")
	}
	return nil
}
