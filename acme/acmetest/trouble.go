package acmetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// ErrLost is what a client gets whose request took effect, and whose answer is lost.
var ErrLost = errors.New("acmetest: the answer was lost")

// Trouble is what goes wrong between a client and the CA. The zero Trouble is none. Safe for concurrent use.
type Trouble struct {
	mu        sync.Mutex
	only      []string
	badNonces int
	every     int
	signed    int // requests, since every was set
	down      int
	hung      int
	lost      int
	limited   int
	broken    int
	wait      time.Duration
	slow      time.Duration
	began     map[string]time.Time // what is slow: a challenge or an order
	rejected  []string
	renew     window
	requests  int
}

// window is when certificates should be renewed; without a start, the server says it.
type window struct{ start, end time.Time }

func (t *Trouble) set(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// Only keeps [Trouble.BadNonces], Down, Hang, Lose and Limit to requests for these resources, and to none in particular
// without any: "directory", "new-nonce", "new-account", "new-order", "authz", "challenge", "order", "finalize",
// "certificate" and so on.
func (t *Trouble) Only(resources ...string) { t.set(func() { t.only = slices.Clone(resources) }) }

// BadNonces has the next n signed requests refused with badNonce, although their nonces were good.
func (t *Trouble) BadNonces(n int) { t.set(func() { t.badNonces = n }) }

// BadNonceEvery has every nth signed request refused with badNonce, from the nth on; 0 ends it.
func (t *Trouble) BadNonceEvery(n int) { t.set(func() { t.every, t.signed = n, 0 }) }

// Down has the next n requests answered with 503.
func (t *Trouble) Down(n int) { t.set(func() { t.down = n }) }

// Lose has the next n signed requests take effect, and their answers lost: the client gets [ErrLost].
func (t *Trouble) Lose(n int) { t.set(func() { t.lost = n }) }

// Hang has the next n requests get no answer, and take no effect: they end with their contexts.
func (t *Trouble) Hang(n int) { t.set(func() { t.hung = n }) }

// Break has the next n issuances fail for good: finalize is answered with serverInternal, or with "processing" when it is
// slow, and the order is invalid.
func (t *Trouble) Break(n int) { t.set(func() { t.broken = n }) }

// Limit has the next n signed requests refused with rateLimited, and told to come back after that time.
func (t *Trouble) Limit(n int, after time.Duration) { t.set(func() { t.limited, t.wait = n, after }) }

// Slow makes each validation and each issuance take that long; 0 ends it. Clients see "processing" meanwhile, if it is
// longer than the half second for which the CA lets them wait. A validation that takes more than two minutes may fail.
func (t *Trouble) Slow(d time.Duration) { t.set(func() { t.slow = d }) }

// Reject has orders refused that ask for one of those names, and for none when there are none.
func (t *Trouble) Reject(names ...string) { t.set(func() { t.rejected = slices.Clone(names) }) }

// RenewNow has the CA say of every certificate that it should be renewed at once (RFC 9773), or no longer.
func (t *Trouble) RenewNow(yes bool) {
	if !yes {
		t.RenewBetween(time.Time{}, time.Time{})
		return
	}
	now := time.Now()
	t.RenewBetween(now.Add(-2*time.Hour), now.Add(-time.Hour))
}

// RenewBetween has the CA suggest that window for every certificate (RFC 9773); the zero time ends it.
func (t *Trouble) RenewBetween(start, end time.Time) { t.set(func() { t.renew = window{start, end} }) }

// Requests returns how many requests there were.
func (t *Trouble) Requests() (n int) {
	t.set(func() { n = t.requests })
	return n
}

// linger waits until something has taken as long as the trouble lasts. Whoever has not got that long comes again, for the
// rest.
func (t *Trouble) linger(ctx context.Context, what string) error {
	var left time.Duration
	t.set(func() {
		if t.slow == 0 {
			return
		}
		if t.began == nil {
			t.began = map[string]time.Time{}
		}
		if _, ok := t.began[what]; !ok {
			t.began[what] = time.Now()
		}
		left = t.slow - time.Since(t.began[what])
	})
	if left > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(left):
		}
	}
	t.set(func() { delete(t.began, what) })
	return nil
}

// issue is what the issuance for an order has to go through.
func (t *Trouble) issue(ctx context.Context, order string) error {
	if err := t.linger(ctx, order); err != nil {
		return &authority.Error{Kind: authority.Unavailable, Code: "slow", Reason: "a test wants it so", Err: err}
	}
	broken := false
	t.set(func() { broken = take(&t.broken) })
	if broken {
		return &authority.Error{Kind: authority.Internal, Code: "broken", Reason: "a test wants it so"}
	}
	return nil
}

// take uses up one of n.
func take(n *int) bool {
	if *n <= 0 {
		return false
	}
	*n--
	return true
}
