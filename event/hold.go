package event

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// hold is a subject that waits for its oldest event.
type hold struct {
	first int64 // Seq of the event that was not accepted
	at    int64 // its time, as in Pump.oldest
	tries int
	until time.Time

	// What is held against the event itself.
	tried  time.Time     // last
	pause  time.Duration // planned then
	mark   int           // events that the sink had accepted then
	excuse bool          // the sink asked for patience
	proofs int           // tries that failed while the sink was up
	blame  time.Duration // how long it has failed while the sink was up
}

// minProofs: one failure is none, whatever GiveUp says.
const minProofs = 3

// hopeless reports whether an event that was just not accepted is to be buried.
func (w *pass) hopeless(h *hold, e Posted, err error) bool {
	if errors.Is(err, ErrPermanent) {
		return true
	}
	if _, asked := waitOf(err); asked || w.GiveUp <= 0 || h == nil || h.first != e.Seq || h.excuse {
		return false
	}
	if !w.up(routeOf(w.Sink, e.Event.Type), h.mark) {
		return false
	}
	h.proofs++
	h.blame += min(time.Since(h.tried), h.pause)
	return h.proofs >= minProofs && h.blame >= w.GiveUp
}

// up reports whether the sinks of a route have all accepted an event since.
func (w *pass) up(r route, since int) bool {
	for by, last := range w.accepted {
		if last > since && by.covers(r) {
			return true
		}
	}
	return false
}

// hold makes the subject of an event that was not accepted wait. An error ends the pass.
func (w *pass) hold(ctx context.Context, e Posted, err error) error {
	subject := e.Event.Subject
	h := w.held[subject]
	if h == nil {
		if len(w.held) >= maxHeld {
			return errors.Join(errDown, err)
		}
		h = new(hold)
		w.held[subject] = h
	} else {
		w.dueFails++
	}
	delete(w.due, subject)
	if h.first != e.Seq { // the one it waited for has gone
		*h = hold{first: e.Seq, at: stamp(e.Event.Time)}
		w.since = earlier(w.since, h.at)
	}
	wait, asked := waitOf(err)
	h.tries++
	h.pause = max(w.backoff(h.tries), wait)
	h.tried, h.mark, h.excuse = time.Now(), w.accepts, asked
	h.until = h.tried.Add(h.pause)
	w.log(ctx, slog.LevelWarn, "event was not accepted", "event", e.Event.ID, "type", string(e.Event.Type),
		"subject", subject, "tries", h.tries, "pause", h.pause, "error", reasonOf(err))
	if w.fails++; w.fails >= maxFailures {
		if asked {
			return Later(errDown, wait)
		}
		return errDown
	}
	return nil
}

// behind notes that an event of this time is being tried, for Lag.
func (w *pass) behind(t time.Time) { w.oldest.Store(earlier(w.since, stamp(t))) }

func (p *Pump) oldestHeld() int64 {
	var oldest int64
	for _, h := range p.held {
		oldest = earlier(oldest, h.at)
	}
	return oldest
}

// earlier returns the earlier of two stamps, 0 being none.
func earlier(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// stamp is a time as Pump.oldest has it; 0 if the event has none that a clock can show.
func stamp(t time.Time) int64 {
	if t.Year() < 1970 || t.Year() > 2200 {
		return 0
	}
	return t.UnixNano()
}
