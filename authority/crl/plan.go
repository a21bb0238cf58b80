package crl

import (
	"slices"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// crls is what the store has of an issuer, by scope, without the DER.
type crls map[authority.CRLScope]*authority.CRL

func index(all []*authority.CRL) crls {
	m := make(crls, len(all))
	for _, c := range all {
		m[c.CRLScope] = c
	}
	return m
}

// last returns the highest number of a scope's shard, of both kinds.
func (h crls) last(s authority.CRLScope) (n int64) {
	for _, s.Delta = range [...]bool{false, true} {
		if c := h[s]; c != nil {
			n = max(n, c.Number)
		}
	}
	return n
}

func full(s authority.CRLScope) authority.CRLScope {
	s.Delta = false
	return s
}

// deltas reports whether an issuer's CRLs have deltas beside them.
func (o *Options) deltas(i *authority.IssuerInfo) bool {
	return o.Delta || len(i.Pointers.FreshestCRL) > 0
}

// wanted returns the series that an issuer has, full before delta. A shard that was made once is made as
// long as the issuer lives: certificates may still name it. So is one that was seen in a change: the store may
// have lost the shard's CRL, and got a revocation of a certificate that names it.
func (o *Options) wanted(i *authority.IssuerInfo, have crls, seen map[int]bool) (out []authority.CRLScope) {
	var shards []int
	if !o.ShardsOnly || i.Pointers.Shards == 0 {
		shards = append(shards, 0)
	}
	for n := range i.Pointers.Shards {
		shards = append(shards, n+1)
	}
	for s := range have {
		if !s.Delta && s.Shard > i.Pointers.Shards {
			shards = append(shards, s.Shard)
		}
	}
	for n := range seen {
		if i.Pointers.Shards > 0 && n > i.Pointers.Shards && have[authority.CRLScope{Issuer: i.Name, Shard: n}] == nil {
			shards = append(shards, n)
		}
	}
	slices.Sort(shards)
	for _, n := range shards {
		out = append(out, authority.CRLScope{Issuer: i.Name, Shard: n})
		if o.deltas(i) {
			out = append(out, authority.CRLScope{Issuer: i.Name, Shard: n, Delta: true})
		}
	}
	return out
}

// wrongClock is how far ahead of ours the clock of whoever made a CRL may be before the CRL is replaced.
const wrongClock = time.Minute

// view is what is known when it is decided what to do.
type view struct {
	now      time.Time
	revision int64
	have     crls
	wanted   []authority.CRLScope
}

// plan returns which series are to be made, and when to look again if nothing happens before. Changes are
// followed after the moment m.calm only.
func (m *maker) plan(i *authority.IssuerInfo, v *view) (work []authority.CRLScope, next time.Time) {
	next = v.now.Add(lookEvery)
	remade := map[int]bool{}
	for _, s := range v.wanted {
		c := v.have[s]
		switch {
		case v.now.Before(m.rest[s]):
			next = earlier(next, m.rest[s])
			continue
		case m.all, c == nil, c.Number == m.unfit[s], c.ThisUpdate.After(v.now.Add(wrongClock)),
			c.Revision > v.revision, // another node was faster, or the counters of the store went back: make finds out
			!v.now.Before(m.p.o.due(c)), s.Delta && (remade[s.Shard] || v.have[full(s)] != nil && c.Base != v.have[full(s)].Number):
		case m.stale(i, c) && !v.now.Before(m.calm):
		case m.stale(i, c):
			next = earlier(next, m.calm)
			continue
		default:
			next = earlier(next, m.p.o.due(c))
			continue
		}
		work = append(work, s)
		remade[s.Shard] = remade[s.Shard] || !s.Delta
	}
	// What failed before comes last, so that it does not keep the rest from being made.
	slices.SortStableFunc(work, func(a, b authority.CRLScope) int { return m.failures[a] - m.failures[b] })
	return work, next
}

// stale reports whether a CRL is to be replaced because of a change: the delta, where there are deltas.
func (m *maker) stale(i *authority.IssuerInfo, c *authority.CRL) bool {
	return m.p.o.OnChange > 0 && c.Delta == m.p.o.deltas(i) && m.changed[c.Shard] > c.Revision
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
