package authority

import (
	"context"
	"slices"
	"time"
)

// Post implements [Store].
func (m *Memory) Post(ctx context.Context, posts []Post) error {
	return m.update(ctx, func() error { m.post(posts); return nil })
}

// Outbox implements [Store].
func (m *Memory) Outbox(ctx context.Context, sink string, after int64, limit int) ([]Posted, error) {
	var out []Posted
	err := m.update(ctx, func() error {
		for _, p := range m.outbox[sink] {
			if len(out) == pageLimit(limit) {
				break
			}
			if p.Seq > after {
				out = append(out, p)
			}
		}
		return nil
	})
	return out, err
}

// Delivered implements [Store].
func (m *Memory) Delivered(ctx context.Context, sink string, seqs []int64) error {
	return m.update(ctx, func() error {
		gone := make(map[int64]bool, len(seqs))
		for _, s := range seqs {
			gone[s] = true
		}
		m.outbox[sink] = slices.DeleteFunc(m.outbox[sink], func(p Posted) bool { return gone[p.Seq] })
		m.dead[sink] = slices.DeleteFunc(m.dead[sink], func(d DeadLetter) bool { return gone[d.Seq] })
		return nil
	})
}

// Bury implements [Store].
func (m *Memory) Bury(ctx context.Context, sink string, seq int64, reason string, at time.Time) error {
	return m.update(ctx, func() error {
		i := slices.IndexFunc(m.outbox[sink], func(p Posted) bool { return p.Seq == seq })
		if i < 0 {
			return nil
		}
		d := DeadLetter{Posted: m.outbox[sink][i], Reason: reason, BuriedAt: micro(at)}
		m.outbox[sink] = slices.Delete(m.outbox[sink], i, i+1)
		n, _ := slices.BinarySearchFunc(m.dead[sink], d, func(a, b DeadLetter) int { return int(a.Seq - b.Seq) })
		m.dead[sink] = slices.Insert(m.dead[sink], n, d)
		return nil
	})
}

// Buried implements [Store].
func (m *Memory) Buried(ctx context.Context, sink string, after int64, limit int) ([]DeadLetter, error) {
	var out []DeadLetter
	err := m.update(ctx, func() error {
		for _, d := range m.dead[sink] {
			if len(out) == pageLimit(limit) {
				break
			}
			if d.Seq > after {
				out = append(out, d)
			}
		}
		return nil
	})
	return out, err
}

// Backlog implements [Store].
func (m *Memory) Backlog(ctx context.Context, sink string) (b Backlog, err error) {
	err = m.update(ctx, func() error {
		if all := m.outbox[sink]; len(all) > 0 {
			b.Waiting = micro(all[0].Event.Time)
		}
		if all := m.dead[sink]; len(all) > 0 {
			b.Dead = micro(all[0].Event.Time)
		}
		for _, p := range m.outbox[sink] {
			b.Waiting = earlier(b.Waiting, micro(p.Event.Time))
		}
		for _, d := range m.dead[sink] {
			b.Dead = earlier(b.Dead, micro(d.Event.Time))
		}
		return nil
	})
	return b, err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Replay implements [Store].
func (m *Memory) Replay(ctx context.Context, sink string, seqs []int64) error {
	return m.update(ctx, func() error {
		m.dead[sink] = slices.DeleteFunc(m.dead[sink], func(d DeadLetter) bool {
			if !slices.Contains(seqs, d.Seq) {
				return false
			}
			m.seq++
			d.Seq = m.seq
			m.outbox[sink] = append(m.outbox[sink], d.Posted)
			return true
		})
		return nil
	})
}

func (m *Memory) post(posts []Post) {
	for _, p := range posts {
		e := p.Event
		e.Time = e.Time.UTC()
		for _, sink := range p.To {
			m.seq++
			m.outbox[sink] = append(m.outbox[sink], Posted{Seq: m.seq, Event: e})
		}
	}
}
