package crl

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// board holds the status of all series.
type board struct {
	mu      sync.Mutex
	series  map[authority.CRLScope]*Status
	issuers map[string]*Status // for Err and Failing of what concerns all of an issuer's series
}

func (b *board) list() []Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Status, 0, len(b.series))
	for _, s := range b.series {
		st := *s
		if all := b.issuers[s.Issuer]; all != nil && st.Err == nil {
			st.Err, st.Failing = all.Err, all.Failing
		}
		out = append(out, st)
	}
	slices.SortFunc(out, func(x, y Status) int { return compareScopes(x.CRLScope, y.CRLScope) })
	return out
}

// compareScopes orders by issuer and shard, full before delta.
func compareScopes(x, y authority.CRLScope) int {
	kind := func(s authority.CRLScope) int {
		if s.Delta {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(x.Issuer, y.Issuer), cmp.Compare(x.Shard, y.Shard), cmp.Compare(kind(x), kind(y)))
}

// trouble returns what keeps all series of an issuer from being made.
func (b *board) trouble(issuer string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.issuers[issuer]; s != nil {
		return s.Err
	}
	return nil
}

// show puts what the store has of an issuer's series in the place of what was known before.
func (b *board) show(issuer string, wanted []authority.CRLScope, have crls) {
	want := make(map[authority.CRLScope]bool, len(wanted))
	for _, s := range wanted {
		want[s] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.issuers, issuer)
	maps.DeleteFunc(b.series, func(s authority.CRLScope, _ *Status) bool { return s.Issuer == issuer && !want[s] })
	for _, s := range wanted {
		b.set(s, have[s])
	}
}

func (b *board) made(c *authority.CRL) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(c.CRLScope, c)
}

// at needs the lock.
func (b *board) at(s authority.CRLScope) *Status {
	if b.series == nil {
		b.series = map[authority.CRLScope]*Status{}
	}
	if b.series[s] == nil {
		b.series[s] = &Status{CRLScope: s}
	}
	return b.series[s]
}

// set needs the lock. Another CRL than the last ends a series of failures, whoever made it.
func (b *board) set(s authority.CRLScope, c *authority.CRL) {
	if st := b.at(s); c != nil && c.Number != st.Number {
		*st = Status{s, c.Number, c.ThisUpdate, c.NextUpdate, c.Entries, nil, time.Time{}}
	}
}

// fail notes why a CRL could not be made, and reports whether that is news.
func (b *board) fail(s authority.CRLScope, err error) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.at(s)
	news = st.Err == nil || st.Err.Error() != err.Error()
	st.fail(err)
	return news
}

// failAll notes what concerns all of an issuer's series.
func (b *board) failAll(issuer string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.issuers == nil {
		b.issuers = map[string]*Status{}
	}
	if b.issuers[issuer] == nil {
		b.issuers[issuer] = &Status{}
	}
	b.issuers[issuer].fail(err)
}

func (s *Status) fail(err error) {
	if s.Err = err; s.Failing.IsZero() {
		s.Failing = time.Now()
	}
}

// forget drops the series of an issuer.
func (b *board) forget(issuer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.issuers, issuer)
	maps.DeleteFunc(b.series, func(s authority.CRLScope, _ *Status) bool { return s.Issuer == issuer })
}
