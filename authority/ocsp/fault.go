package ocsp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// faultEvery is how often a fault that comes and goes is logged.
const faultEvery = time.Minute

// faults logs when something begins to fail and when it works again, and not each time: anybody can make that
// many requests.
type faults struct {
	log *slog.Logger

	mu sync.Mutex
	by map[faultKey]*fault
}

// faultKey is what fails; there are a few for each issuer.
type faultKey struct{ what, issuer string }

// fault is zero for what never failed.
type fault struct {
	logged bool // that it fails, and not yet that it works
	at     time.Time
}

func newFaults(log *slog.Logger) faults { return faults{log: log, by: map[faultKey]*fault{}} }

// note takes how something went that began then. The end of a request soon after says nothing about it, and
// neither does a [Status], which is this package's own decision.
func (f *faults) note(ctx context.Context, what, issuer string, began time.Time, err error) {
	now := time.Now()
	if _, ok := errors.AsType[Status](err); ok || err != nil && ctx.Err() != nil && now.Sub(began) < lookPatience {
		return
	}
	level, is, say := slog.LevelError, "fails", false
	f.mu.Lock()
	s := f.by[faultKey{what, issuer}]
	if s == nil {
		s = &fault{}
		f.by[faultKey{what, issuer}] = s
	}
	switch {
	case err == nil && s.logged:
		level, is, say, s.logged = slog.LevelInfo, "works again", true, false
	case err != nil && !s.logged && now.Sub(s.at) >= faultEvery:
		say, s.logged, s.at = true, true, now
	}
	f.mu.Unlock()
	if !say {
		return
	}
	if e, ok := errors.AsType[*authority.Error](err); ok && e.Err != nil {
		err = e.Err // its own words have the serial in them
	}
	f.log.Log(ctx, level, "OCSP: "+what+" "+is, "issuer", issuer, "error", err)
}
