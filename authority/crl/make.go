package crl

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// pageSize is how many changes are in memory at a time, beside the list that is made of them.
const pageSize = 10000

var (
	errNoBase       = errors.New("crl: there is no full CRL that a delta could add to")
	errReconfigured = errors.New("crl: the issuer was changed meanwhile")
	errFaster       = errors.New("crl: another CRL was kept meanwhile")
	errWentBack     = errors.New("crl: the store counts fewer changes than are in the CRL that it keeps: its counters went back, and what happened since then is not known")
)

// make makes, signs and publishes one CRL. have is what there is already.
func (m *maker) make(ctx context.Context, i *authority.IssuerInfo, s authority.CRLScope, have crls) (*authority.CRL, error) {
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	now, err := m.p.moment(ctx, have[s])
	if err != nil {
		return nil, err
	}
	defer func(began time.Time) { m.busy += time.Since(began) }(now)
	c := &authority.CRL{CRLScope: s, Number: max(have.last(s)+1, now.UnixMilli())}
	c.ThisUpdate = now.Truncate(time.Second).Add(-m.p.o.Backdate).UTC()
	c.NextUpdate = now.Truncate(time.Second).Add(m.p.o.validity(s.Delta)).UTC()
	store := m.p.ca.Store()
	// Before the changes are read: what is changed while they are belongs to the next CRL.
	if c.Revision, err = store.Revision(ctx); err != nil {
		return nil, err
	}
	if old := have[s]; old != nil && old.Revision > c.Revision {
		return nil, errWentBack // it would be refused, as it says less than the one before
	}
	q := authority.ChangeQuery{Issuer: s.Issuer, Shard: s.Shard, Limit: pageSize}
	before := have[full(s)]
	if s.Delta {
		switch {
		case before == nil:
			return nil, errNoBase
		case before.Revision > c.Revision:
			return nil, errWentBack
		}
		c.Base, q.Above = before.Number, before.Revision
	}
	q.NotAfter = m.p.horizon(now, before)
	tbs, err := m.encode(ctx, i, c, q, before)
	if err != nil {
		return nil, err
	}
	if c.DER, err = m.p.ca.SignCRL(ctx, s.Issuer, tbs); err != nil {
		return nil, err
	}
	if again, ok := m.p.issuer(m.name); !ok || !again.Certificate.Equal(i.Certificate) {
		return nil, errReconfigured // who signed may not be who the list says
	}
	if err = m.p.ca.PublishCRL(ctx, c); errors.Is(err, authority.Conflict) {
		return nil, errFaster
	} else if err != nil {
		return nil, err
	}
	m.p.cache.put(c)
	m.p.board.made(c)
	kept := *c
	kept.DER = nil
	return &kept, nil
}

// patience for clocks of other nodes that are ahead.
const sameSecond = 2 * time.Second

// moment returns the present, once it is another second than that of the CRL before: thisUpdate rises, by
// which relying parties and HTTP caches tell CRLs apart.
func (p *Publisher) moment(ctx context.Context, before *authority.CRL) (time.Time, error) {
	now := time.Now()
	if before == nil {
		return now, nil
	}
	next := before.ThisUpdate.Truncate(time.Second).Add(p.o.Backdate + time.Second)
	if wait := next.Sub(now); wait > 0 && wait <= sameSecond {
		if !sleep(ctx, wait) {
			return now, ctx.Err()
		}
		now = time.Now()
	}
	return now, nil
}

// horizon returns the end of the certificates that have been on a CRL made after it (RFC 5280, section
// 3.3): before was made after the ends of those that it leaves out. On a schedule that changes shorten, one
// that follows at once would not do, so they stay for an interval at least.
func (p *Publisher) horizon(now time.Time, before *authority.CRL) time.Time {
	t := now.Add(-p.o.Interval)
	if before != nil {
		t = earlier(t, before.ThisUpdate)
	}
	return t
}

// encode returns the TBSCertList and counts its entries.
func (m *maker) encode(ctx context.Context, i *authority.IssuerInfo, c *authority.CRL, q authority.ChangeQuery, before *authority.CRL) ([]byte, error) {
	algorithm, err := m.p.ca.AlgorithmID(i.Name)
	if err != nil {
		return nil, err
	}
	var old []byte
	if c.Shard > 0 && i.Pointers.Shards == 0 {
		if old, err = m.p.distributionOf(ctx, c.CRLScope); err != nil {
			return nil, err
		}
	}
	x, err := extensionsOf(i, c, old)
	if err != nil {
		return nil, err
	}
	tail, err := x.der()
	if err != nil {
		return nil, err
	}
	expect := 0
	if !c.Delta && before != nil {
		expect = before.Entries + before.Entries/64
	}
	l := newList(algorithm, i.Certificate.RawSubject, c.ThisUpdate, c.NextUpdate, expect)
	if err := m.fill(ctx, l, q, c.Revision); err != nil {
		return nil, err
	}
	c.Entries = l.entries
	return l.finish(tail), nil
}

// fill adds the changes of q in the order of the store. A serial that is changed while pages are read may
// turn up twice, the second time with a revision above that: these are put aside and added if the list
// does not have them. For those that it has, it tells the truth as of the revision.
func (m *maker) fill(ctx context.Context, l *list, q authority.ChangeQuery, revision int64) error {
	late := map[authority.Serial]authority.Change{}
	for {
		page, err := m.p.ca.Store().Changes(ctx, q)
		if err != nil {
			return err
		}
		for j := range page.Changes {
			c := &page.Changes[j]
			m.shards[c.Shard] = true
			switch {
			case c.ReasonCode == authority.ReasonRemoveFromCRL && q.Above == 0:
			case c.Revision > revision:
				if late[c.Serial].Revision < c.Revision {
					late[c.Serial] = *c
				}
			default:
				if err := l.add(c); err != nil {
					return err
				}
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if len(late) == 0 {
		return nil
	}
	l.serials(func(s authority.Serial) { delete(late, s) })
	for _, c := range slices.SortedFunc(maps.Values(late), func(a, b authority.Change) int { return cmp.Compare(a.Revision, b.Revision) }) {
		// A delta on a base of revision 0 asks for everything, and that has no releases in it. So no
		// hold may be in such a base.
		if revision == 0 && c.ReasonCode == authority.ReasonCertificateHold {
			continue
		}
		if err := l.add(&c); err != nil {
			return err
		}
	}
	return nil
}

// extensionsOf returns what a CRL says about itself. old is the IssuingDistributionPoint that the shard had:
// it stays where the configuration has no URLs for shards any more.
func extensionsOf(i *authority.IssuerInfo, c *authority.CRL, old []byte) (x *extensions, err error) {
	x = &extensions{keyID: i.Certificate.SubjectKeyId, number: c.Number, delta: c.Delta, base: c.Base}
	sharded := i.Pointers.Shards > 0
	if sharded || c.Shard == 0 {
		x.freshest = authority.Expand(i.Pointers.FreshestCRL, c.Shard)
	}
	switch {
	case c.Shard == 0:
	case sharded:
		x.distribution, err = distributionPoint(authority.Expand(i.Pointers.CRLDistributionPoints, c.Shard))
	case old == nil:
		err = errors.New("crl: nothing says which URLs the CRL of the shard has")
	default:
		x.distribution = old
	}
	return x, err
}

// distributionOf returns the IssuingDistributionPoint of the last full CRL of a shard.
func (p *Publisher) distributionOf(ctx context.Context, s authority.CRLScope) ([]byte, error) {
	old, err := p.ca.Store().CRL(ctx, full(s), 0)
	if err != nil {
		return nil, err
	}
	is, err := dissect(old.DER)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(is.extension(oidDistributionPoint)), nil
}

// conforms reports whether a CRL is one that this publisher would make, with that number.
func (p *Publisher) conforms(i *authority.IssuerInfo, c *authority.CRL) bool {
	is, err := dissect(c.DER)
	if err != nil {
		return false
	}
	x, err := extensionsOf(i, c, is.extension(oidDistributionPoint))
	if err != nil {
		return false
	}
	want, err := x.der()
	if err != nil || !bytes.Equal(want, is.extensions) {
		return false
	}
	algorithm, err := p.ca.AlgorithmID(i.Name)
	return err == nil && is.signedBy(i.Certificate, algorithm)
}
