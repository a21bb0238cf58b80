package krl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// Max is the longest list that is read, in bytes: more than a million serials of no order.
const Max = 16 << 20

// ErrFormat is about something that is no key revocation list, or one that asks for what is not known here.
var ErrFormat = errors.New("krl: not a key revocation list")

// Parse reads a list. Signatures in it are checked against the keys that they name, which says nothing
// about whose keys they are: see [Verify]. A part that is not known here, and that the list says is
// critical, is an error.
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
	if r.short || generated > 1<<40 {
		return nil, nil, wrong("its beginning is cut off")
	}
	l.Generated = time.Unix(int64(generated), 0).UTC()
	var signers []ssh.PublicKey
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
		if err := l.section(kind, data); err != nil {
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
	if ssh.Unmarshal(blob, &s) != nil || len(s.Rest) > 0 || s.Format == ssh.KeyAlgoRSA || k.Verify(signed, &s) != nil {
		return nil, wrong("a signature does not match")
	}
	return k, nil
}

func (l *List) section(kind byte, data []byte) error {
	r := &reader{b: data}
	lists := map[byte]struct {
		size int
		to   *[][]byte
	}{sectionKeys: {0, &l.Keys}, sectionSHA1: {20, &l.SHA1}, sectionSHA256: {32, &l.SHA256}}
	switch kind {
	case sectionCertificates:
		return l.certificates(r)
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

func (l *List) certificates(r *reader) error {
	c := Certificates{CA: slices.Clone(r.bytes())}
	r.bytes()
	if r.short {
		return wrong("a section is cut off")
	}
	if len(c.CA) == 0 {
		c.CA = nil
	} else if _, err := ssh.ParsePublicKey(c.CA); err != nil {
		return wrong("the key of a CA cannot be read")
	}
	for len(r.b) > 0 {
		kind, data := r.u8(), r.bytes()
		if r.short {
			return wrong("a section is cut off")
		}
		if err := c.part(kind, &reader{b: data}); err != nil {
			return err
		}
	}
	c.normalize()
	l.Certificates = append(l.Certificates, c)
	return nil
}

// maxSerials bounds the ranges of one section, as bitmaps can hold many in few bytes.
const maxSerials = 4 << 20

func (c *Certificates) part(kind byte, r *reader) error {
	if len(c.Serials) > maxSerials {
		return wrong("too many serials")
	}
	switch kind {
	case serialList:
		for len(r.b) > 0 {
			if n := r.u64(); n != 0 {
				c.Serials = append(c.Serials, Range{n, n})
			}
		}
	case serialRange:
		first, last := r.u64(), r.u64()
		if r.short || len(r.b) > 0 || first > last {
			return wrong("a range of serials is none")
		}
		if first = max(first, 1); first <= last {
			c.Serials = append(c.Serials, Range{first, last})
		}
	case serialBitmap:
		return c.bitmap(r)
	case keyIDs:
		for len(r.b) > 0 {
			if id := r.bytes(); !r.short && len(id) > 0 {
				c.KeyIDs = append(c.KeyIDs, string(id))
			}
		}
	case extension:
		return r.extension()
	default:
		return wrong("section %#x of certificates is not known", kind)
	}
	if r.short {
		return wrong("a section is cut off")
	}
	return nil
}

func (c *Certificates) bitmap(r *reader) error {
	offset, v := r.u64(), r.bytes()
	if r.short || len(r.b) > 0 || len(v) > 0 && v[0]&0x80 != 0 {
		return wrong("a bitmap of serials is none")
	}
	bits := new(big.Int).SetBytes(v)
	for i := range bits.BitLen() {
		if bits.Bit(i) == 0 {
			continue
		}
		n := offset + uint64(i)
		if n < offset {
			return wrong("a bitmap of serials is too long")
		}
		if last := len(c.Serials) - 1; last >= 0 && c.Serials[last].Last == n-1 && n > 1 {
			c.Serials[last].Last = n
		} else if n > 0 {
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
