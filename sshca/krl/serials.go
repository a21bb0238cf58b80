package krl

import (
	"math"
	"slices"
)

// Range is a range of serials, both ends included. Zero is none: it is what certificates without a serial have.
type Range struct{ First, Last uint64 }

// RangesOf makes ranges of serials in any order. It leaves out zeros.
func RangesOf(serials []uint64) []Range {
	s := slices.Clone(serials)
	slices.Sort(s)
	var out []Range
	for _, n := range s {
		switch last := len(out) - 1; {
		case n == 0 || last >= 0 && n == out[last].Last:
		case last >= 0 && n-1 == out[last].Last:
			out[last].Last = n
		default:
			out = append(out, Range{n, n})
		}
	}
	return out
}

// has reports whether a serial is in ranges that are in order.
func has(ranges []Range, n uint64) bool {
	_, found := slices.BinarySearchFunc(ranges, n, func(r Range, n uint64) int {
		switch {
		case r.Last < n:
			return -1
		case r.First > n:
			return 1
		}
		return 0
	})
	return found
}

// piece is a sub-section of serials, in one of the three ways there are.
type piece struct {
	kind   byte
	ranges []Range
}

// ways are the three, in the order in which pieces counts what they cost.
var ways = [3]byte{serialList, serialRange, serialBitmap}

// What the three ways cost, in bits: a sub-section, and what it holds.
const (
	costSection = 8 * 5
	costSerial  = 8 * 8
	costRange   = costSection + 2*costSerial
	costBitmap  = costSection + 8*(8+4+1) // and a bit for each serial from its first to its last

	// maxBitmap is how many bits OpenSSH reads, as it takes them for a number like those of a key. A list with
	// a longer one is refused as a whole, and sshd then lets nobody in.
	maxBitmap = 16384

	maxListed = 8 // serials in a row for which a range is always shorter than a list
	never     = math.MaxInt / 2
)

// pieces divides serials into sub-sections so that all of them together are short. It goes through the ranges
// once, and knows for each of the three ways what it costs at least to have come here with the last range put
// in that way, and which way the one before was put then. Of the bitmaps that could be open it knows one only,
// so there may be divisions that are a little shorter.
func pieces(ranges []Range) []piece {
	if len(ranges) == 0 {
		return nil
	}
	const list, alone, bitmap = 0, 1, 2
	const joined = 3 // to the sub-section of the one before, in the same way
	before := make([][3]uint8, len(ranges))
	cost := [3]int{0, never, never}
	var start uint64 // of the bitmap that is open
	for i, r := range ranges {
		cheapest := cheapest(cost)
		least := cost[cheapest]
		b := [3]uint8{cheapest, cheapest, cheapest}
		next := [3]int{never, least + costRange, never}
		if n := r.Last - r.First; n < maxListed {
			next[list] = least + costSection + int(n+1)*costSerial
			if on := cost[list] + int(n+1)*costSerial; i > 0 && on <= next[list] {
				next[list], b[list] = on, joined
			}
		}
		begin := r.First
		if n := r.Last - r.First; n < maxBitmap {
			next[bitmap] = least + costBitmap + int(n+1)
		}
		if i > 0 && cost[bitmap] < never && r.Last-start < maxBitmap {
			if on := cost[bitmap] + int(r.Last-ranges[i-1].Last); on <= next[bitmap] {
				next[bitmap], b[bitmap], begin = on, joined, start
			}
		}
		start, cost, before[i] = begin, next, b
	}
	var out []piece // from the last to the first
	way, end := cheapest(cost), len(ranges)
	for i := len(ranges) - 1; i >= 0; i-- {
		if b := before[i][way]; b != joined {
			out = append(out, piece{ways[way], ranges[i:end]})
			way, end = b, i
		}
	}
	slices.Reverse(out)
	return out
}

func cheapest(cost [3]int) uint8 {
	way := uint8(0)
	for i := range cost {
		if cost[i] < cost[way] {
			way = uint8(i)
		}
	}
	return way
}

func (p *piece) marshal() []byte {
	var b writer
	first, last := p.ranges[0], p.ranges[len(p.ranges)-1]
	b.u64(first.First)
	switch p.kind {
	case serialRange:
		b.u64(first.Last)
	case serialBitmap:
		v := make([]byte, (last.Last-first.First)/8+2) // a byte more, as an mpint is signed (RFC 4251, section 5)
		for _, r := range p.ranges {
			for n := r.First - first.First; n <= r.Last-first.First; n++ {
				v[len(v)-1-int(n/8)] |= 1 << (n % 8)
			}
		}
		if v[1] < 0x80 {
			v = v[1:]
		}
		b.bytes(v)
	default:
		for i, r := range p.ranges {
			for n := r.First; ; n++ {
				if i > 0 || n > first.First {
					b.u64(n)
				}
				if n == r.Last {
					break
				}
			}
		}
	}
	return b.b
}
