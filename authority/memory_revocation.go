package authority

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// Revoke implements [Store].
func (m *Memory) Revoke(ctx context.Context, v *Revocation, known *Record, spend provisioner.Spend, posts []Post) error {
	if known != nil {
		if known.Serial != v.Serial {
			return errors.New("authority: revoking one serial with the record of another")
		}
		if err := checkSerial(v.Serial); err != nil {
			return err
		}
	}
	return m.update(ctx, func() error {
		r := m.bySerial[v.Serial]
		switch {
		case r == nil && known == nil:
			return ErrNotFound
		case r != nil && r.Revocation != nil && !(r.Revocation.Hold() && !v.Hold()):
			return ErrRevoked
		case m.isSpent(spend):
			return ErrSpent
		}
		if r == nil {
			c := known.clone()
			c.Status = Issued
			r = m.insert(c, "")
		}
		c := *v
		c.RevokedAt = micro(c.RevokedAt)
		r.Revocation = &c
		m.change(r, c.ReasonCode, c.RevokedAt)
		m.spend(spend)
		m.post(posts)
		return nil
	})
}

// Release implements [Store].
func (m *Memory) Release(ctx context.Context, s Serial, at time.Time, posts []Post) error {
	return m.update(ctx, func() error {
		r := m.bySerial[s]
		switch {
		case r == nil:
			return ErrNotFound
		case !r.Revocation.Hold():
			return ErrState
		}
		r.Revocation = nil
		if r.dropped != nil { // it counts as revoked all the same
			m.change(r, ReasonUnspecified, *r.dropped)
		} else {
			m.change(r, ReasonRemoveFromCRL, at)
		}
		m.post(posts)
		return nil
	})
}

// drop notes that r was abandoned without giving its credential back. A revocation says more already.
func (m *Memory) drop(r *memoryRecord, at time.Time) {
	r.dropped = &at
	if r.Revocation == nil {
		m.change(r, ReasonUnspecified, at)
	}
}

// change notes what a CRL has to say of r from now on.
func (m *Memory) change(r *memoryRecord, reason int, at time.Time) {
	m.revision++
	m.changed[r.Serial] = &Change{
		Serial: r.Serial, Shard: r.Shard, ReasonCode: reason, At: micro(at), NotAfter: r.NotAfter, Revision: m.revision,
	}
}

// Revision implements [Store].
func (m *Memory) Revision(ctx context.Context) (n int64, err error) {
	err = m.update(ctx, func() error { n = m.revision; return nil })
	return n, err
}

// Changes implements [Store].
func (m *Memory) Changes(ctx context.Context, q ChangeQuery) (*ChangePage, error) {
	after, err := parseMemoryCursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	limit = min(limit, 10000)
	p := &ChangePage{}
	err = m.update(ctx, func() error {
		byRevision := slices.SortedFunc(maps.Values(m.changed), func(a, b *Change) int { return cmp.Compare(a.Revision, b.Revision) })
		for _, c := range byRevision {
			if c.Revision <= max(after.id, q.Above) || !q.matches(c, m.bySerial[c.Serial].Issuer) {
				continue
			}
			if len(p.Changes) == limit {
				p.Next = memoryCursor{id: p.Changes[limit-1].Revision}.String()
				break
			}
			p.Changes = append(p.Changes, *c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (q *ChangeQuery) matches(c *Change, issuer string) bool {
	return issuer == q.Issuer && (q.Shard == 0 || c.Shard == q.Shard) && !c.NotAfter.Before(q.NotAfter) &&
		(q.Above > 0 || c.ReasonCode != ReasonRemoveFromCRL)
}

// PutCRL implements [Store].
func (m *Memory) PutCRL(ctx context.Context, c *CRL, posts []Post) error {
	return m.update(ctx, func() error {
		other := c.CRLScope
		other.Delta = !c.Delta
		for _, s := range []CRLScope{c.CRLScope, other} {
			if old := m.crls[s]; old != nil && c.Number <= old.Number {
				return ErrExists
			}
		}
		if old := m.crls[c.CRLScope]; old != nil && c.Revision < old.Revision {
			return ErrExists
		}
		m.crls[c.CRLScope] = c.clone()
		m.post(posts)
		return nil
	})
}

// CRL implements [Store].
func (m *Memory) CRL(ctx context.Context, s CRLScope, above int64) (*CRL, error) {
	var out *CRL
	err := m.update(ctx, func() error {
		c := m.crls[s]
		if c == nil || c.Number <= above {
			return ErrNotFound
		}
		out = c.clone()
		return nil
	})
	return out, err
}

// CRLs implements [Store].
func (m *Memory) CRLs(ctx context.Context, issuer string) ([]*CRL, error) {
	var out []*CRL
	err := m.update(ctx, func() error {
		for s, c := range m.crls {
			if s.Issuer == issuer {
				c := c.clone()
				c.DER = nil
				out = append(out, c)
			}
		}
		slices.SortFunc(out, func(a, b *CRL) int {
			if a.Shard == b.Shard {
				return cmp.Compare(btoi(a.Delta), btoi(b.Delta))
			}
			return cmp.Compare(a.Shard, b.Shard)
		})
		return nil
	})
	return out, err
}

// clone copies c as a store keeps it.
func (c *CRL) clone() *CRL {
	d := *c
	d.DER = bytes.Clone(c.DER)
	d.ThisUpdate, d.NextUpdate = micro(c.ThisUpdate), micro(c.NextUpdate)
	return &d
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
