package crl

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// work makes CRLs. It returns the last error.
func (m *maker) work(ctx context.Context, i *authority.IssuerInfo, work []authority.CRLScope, v *view) (last error) {
	failures := 0
	m.busy = 0
	for n := 0; n < len(work); n++ {
		s := work[n]
		if s.Delta && v.have[full(s)] == nil {
			continue // it was not made, and why was said
		}
		c, err := m.make(ctx, i, s, v.have)
		switch {
		case err == nil:
			v.have[s] = c
			delete(m.failures, s)
			delete(m.beaten, s)
			if s.Shard == 0 {
				work = append(work, m.more(i, v)...)
			}
			continue
		case errors.Is(err, errFaster) && m.beaten[s] != v.have.last(s)+1: // or there is nothing newer since the last time
			m.p.o.Logger.DebugContext(ctx, "another node was faster", "issuer", s.Issuer, "shard", s.Shard, "delta", s.Delta)
			m.beaten[s], m.next = v.have.last(s)+1, time.Time{}
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if m.fault(ctx, s, v, err) {
			continue
		}
		last = err
		if !errors.Is(err, authority.ErrUnavailable) && !errors.Is(err, authority.Unavailable) && !errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		if failures++; failures == maxFailures {
			break
		}
	}
	m.calm = time.Now().Add(calmFactor * m.busy)
	return last
}

// more returns the series of shards that were seen in the changes of the complete CRL only.
func (m *maker) more(i *authority.IssuerInfo, v *view) (out []authority.CRLScope) {
	wanted := m.p.o.wanted(i, v.have, m.shards)
	if len(wanted) == len(v.wanted) {
		return nil
	}
	known := make(map[authority.CRLScope]bool, len(v.wanted))
	for _, s := range v.wanted {
		known[s] = true
	}
	for _, s := range wanted {
		if !known[s] {
			out = append(out, s)
		}
	}
	v.wanted = wanted
	return out
}

// fault notes why a CRL was not made, and reports whether that is nothing to try again soon.
func (m *maker) fault(ctx context.Context, s authority.CRLScope, v *view, err error) (lasting bool) {
	m.failures[s]++
	if m.p.board.fail(s, err) || !lasts(err) {
		m.p.o.Logger.ErrorContext(ctx, "no CRL made", "issuer", s.Issuer, "shard", s.Shard, "delta", s.Delta, "error", err)
	}
	if c := v.have[full(s)]; c != nil && errors.Is(err, errWentBack) {
		m.unfit[full(s)] = c.Number // what is counted anew, up to its revision, is not in it
	}
	if !lasts(err) || m.all {
		return false
	}
	m.rest[s] = time.Now().Add(lookEvery)
	m.next = earlier(m.next, m.rest[s])
	return true
}

// lasts reports whether an error stays until somebody changes something: the configuration, or the store. A
// [authority.Conflict] is that of an issuer whose name is not the one that the store keeps its revocations
// under.
func lasts(err error) bool {
	return errors.Is(err, errWentBack) || errors.Is(err, errFaster) || errors.Is(err, authority.Conflict)
}
