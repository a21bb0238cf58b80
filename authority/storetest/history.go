package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// life is what must be so of one certificate.
type life struct {
	record  *authority.Record
	dropped *time.Time
	listed  *authority.Change // what the CRL says; nil: nothing
	touched bool              // changed since the revision was noted
}

// changesHistory does anything in any order to a few certificates, and compares with what is told above.
func changesHistory(t *testing.T, s authority.Store) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		h := &history{t: t, s: s, issuer: fmt.Sprint("issuer ", run), clock: issuedAt}
		for n := range 4 {
			r := Record(run*10 + n)
			r.Issuer, r.Shard = h.issuer, n%2
			require.NoError(t, s.Reserve(context.Background(), r, provisioner.Spend{}))
			h.lives = append(h.lives, &life{record: r})
		}
		h.revoke(h.lives[0], authority.ReasonCertificateHold) // so that there is a revision
		for range rapid.IntRange(0, 15).Draw(t, "steps") {
			h.step()
		}
		h.check()
	})
}

type history struct {
	t      *rapid.T
	s      authority.Store
	issuer string
	clock  time.Time
	lives  []*life
	since  int64
}

func (h *history) step() {
	l := rapid.SampledFrom(h.lives).Draw(h.t, "certificate")
	h.clock = h.clock.Add(time.Minute)
	switch rapid.IntRange(0, 5).Draw(h.t, "step") {
	case 0:
		h.revoke(l, authority.ReasonCertificateHold)
	case 1:
		h.revoke(l, 4)
	case 2:
		h.release(l)
	case 3:
		h.abandon(l, rapid.Bool().Draw(h.t, "release"))
	case 4:
		h.commit(l)
	case 5:
		var err error
		h.since, err = h.s.Revision(context.Background())
		require.NoError(h.t, err)
		for _, l := range h.lives {
			l.touched = false
		}
	}
}

// says makes reason what the CRL says of l.
func (l *life) says(reason int, at time.Time) {
	l.touched = true
	l.listed = &authority.Change{Serial: l.record.Serial, Shard: l.record.Shard, ReasonCode: reason, At: at, NotAfter: l.record.NotAfter}
}

func (h *history) revoke(l *life, reason int) {
	v := &authority.Revocation{Serial: l.record.Serial, ReasonCode: reason, Reason: "because", RevokedAt: h.clock, By: "somebody"}
	err := h.s.Revoke(context.Background(), v, nil, provisioner.Spend{}, nil)
	if old := l.record.Revocation; old != nil && (!old.Hold() || v.Hold()) {
		require.ErrorIs(h.t, err, authority.ErrRevoked)
		return
	}
	require.NoError(h.t, err)
	l.record.Revocation = v
	l.says(reason, h.clock)
}

func (h *history) release(l *life) {
	err := h.s.Release(context.Background(), l.record.Serial, h.clock, nil)
	if !l.record.Revocation.Hold() {
		require.ErrorIs(h.t, err, authority.ErrState)
		return
	}
	require.NoError(h.t, err)
	l.record.Revocation = nil
	if l.dropped != nil {
		l.says(authority.ReasonUnspecified, *l.dropped)
	} else {
		l.says(authority.ReasonRemoveFromCRL, h.clock)
	}
}

func (h *history) abandon(l *life, release bool) {
	err := h.s.Abandon(context.Background(), l.record.Serial, release, h.clock, nil)
	if l.record.Status != authority.Reserved {
		require.ErrorIs(h.t, err, authority.ErrState)
		return
	}
	require.NoError(h.t, err)
	l.record.Status = authority.Abandoned
	if release {
		return
	}
	at := h.clock
	l.dropped = &at
	if l.record.Revocation == nil {
		l.says(authority.ReasonUnspecified, at)
	}
}

func (h *history) commit(l *life) {
	der := Certificate(l.record.TBS)
	err := h.s.Commit(context.Background(), l.record.Serial, der, h.clock, nil)
	switch l.record.Status {
	case authority.Abandoned:
		require.ErrorIs(h.t, err, authority.ErrState)
	case authority.Reserved:
		require.NoError(h.t, err)
		l.record.Status, l.record.DER, l.record.IssuedAt = authority.Issued, der, h.clock
	default:
		require.NoError(h.t, err)
	}
}

func (h *history) check() {
	full, shard := map[authority.Serial]authority.Change{}, map[authority.Serial]authority.Change{}
	for _, l := range h.lives {
		got, err := h.s.Certificate(context.Background(), l.record.Serial)
		require.NoError(h.t, err)
		require.Equal(h.t, l.record, got)
		if l.listed == nil || l.listed.ReasonCode == authority.ReasonRemoveFromCRL {
			continue
		}
		full[l.record.Serial] = *l.listed
		if l.record.Shard == 1 {
			shard[l.record.Serial] = *l.listed
		}
	}
	require.Equal(h.t, full, changes(h.t, h.s, authority.ChangeQuery{Issuer: h.issuer}))
	require.Equal(h.t, shard, changes(h.t, h.s, authority.ChangeQuery{Issuer: h.issuer, Shard: 1, Limit: 1}))
	if h.since == 0 {
		return
	}
	above := changes(h.t, h.s, authority.ChangeQuery{Issuer: h.issuer, Above: h.since, Limit: 1})
	for _, l := range h.lives {
		if c, ok := above[l.record.Serial]; ok { // a store may repeat what was there at the revision
			require.Equal(h.t, *l.listed, c)
		} else {
			require.False(h.t, l.touched, "%s changed, and Above does not say so", l.record.Serial)
		}
	}
}
