package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	oracle "golang.org/x/crypto/ocsp"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
)

// While the store or the key is out of reach, whoever can send a request cannot make the log grow, nor choose
// what is in it.
func TestOutageLogsAreBounded(t *testing.T) {
	for _, faulty := range []string{"store", "key"} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			w := newWorld(t, Options{Direct: true, Cache: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			leaf := w.Leaf("a.internal").Leaf
			ask := func(n int) {
				for i := range n {
					c := *leaf
					c.SerialNumber = big.NewInt(0xabcdef000 + int64(i))
					post(w.Responder, question(t, &c, w.Intermediate, crypto.SHA256))
				}
			}
			lines := func() int { return strings.Count(log.String(), "\n") }
			ask(200)
			require.Zero(t, lines())
			down := true
			fail := func(context.Context) error {
				if down {
					return &authority.Error{Kind: authority.Unavailable, Reason: "looking up abcdef000", Err: errors.New("the cable is cut")}
				}
				return nil
			}
			switch faulty {
			case "store":
				w.spy.onStanding = fail
			case "key":
				w.spy.onSign = fail
			}
			for range 10 {
				ask(100)
				time.Sleep(time.Hour)
			}
			require.Equal(t, 1, lines(), log.String())
			require.Contains(t, log.String(), "the cable is cut")
			require.NotContains(t, log.String(), "abcdef")
			down = false
			ask(200)
			require.Equal(t, 2, lines(), "that it works again")
			for i := range 600 { // it comes and goes all the time
				down = i%2 == 0
				ask(2)
				time.Sleep(time.Second)
			}
			require.InDelta(t, 2+2*10, lines(), 2)
			down = true
			time.Sleep(time.Minute)
			ask(200)
			require.Contains(t, log.String()[strings.LastIndex(strings.TrimSpace(log.String()), "\n"):], "fails", "the last word is true")
		})
	}
}

// A client that hangs up is no outage.
func TestHangingUpIsNoOutage(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	leaf := w.Leaf("a.internal").Leaf
	ctx, cancel := context.WithCancel(t.Context())
	w.spy.onStanding = func(ctx context.Context) error { cancel(); return ctx.Err() }
	_, err := w.respond(ctx, question(t, leaf, w.Intermediate, crypto.SHA1))
	require.Equal(t, TryLater, statusOf(err))
	require.Empty(t, log.String())
}

// However many ask while the store is slow, few of its connections are theirs, and nobody waits for long.
func TestLookupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Direct: true, ServeThroughOutage: true, Cache: 1})
		kept, leaf := w.Leaf("a.internal").Leaf, w.Leaf("b.internal").Leaf
		w.says(kept, w.Intermediate)
		var mu sync.Mutex
		now, most, later := 0, 0, 0
		w.spy.onStanding = func(ctx context.Context) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			defer func() { mu.Lock(); now--; mu.Unlock() }()
			<-ctx.Done()
			return ctx.Err()
		}
		var wg sync.WaitGroup
		flood := question(t, leaf, w.Intermediate, crypto.SHA256)
		for range 2000 {
			wg.Go(func() {
				start := time.Now()
				if refused(t, post(w.Responder, flood)) == TryLater && time.Since(start) <= time.Second {
					mu.Lock()
					later++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		require.Equal(t, oracle.Good, w.says(kept, w.Intermediate).Status, "what was chosen for outages holds for this, too")
		require.LessOrEqual(t, time.Since(start), time.Second)
		wg.Wait()
		require.Equal(t, 8, most)
		require.Equal(t, 2000-8, later)
	})
}

// The name of an issuer that signs by itself is given to another one while it signs: what it signed, with
// whichever key, is not handed out.
func TestNameMovesWhileSigning(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			first, second := newKey(t), newKey(t)
			old, other := root(t, "First", first, 1), root(t, "Second", second, 2)
			var config authority.Config
			w := newWorld(t, Options{Direct: true}, more("x", old, first), func(c *authority.Config) { config = *c })
			leaf := w.leafOf("x")
			config.Store, config.Profiles[0].Issuer = nil, ""
			config.Roots = append(config.Roots, other)
			move := func(context.Context) error {
				config.Issuers[1].Chain, config.Issuers[1].Signer = []*x509.Certificate{other}, kms.FromCrypto(second)
				return w.Authority.Reconfigure(t.Context(), config)
			}
			der := question(t, leaf, old, crypto.SHA256)
			switch when {
			case "before":
				i := w.look().issuerOf(leaf)
				require.NoError(t, move(t.Context()))
				_, _, err := w.itself(i).sign(t.Context(), nil)
				require.ErrorIs(t, err, TryLater)
				require.Zero(t, w.spy.direct.Load())
			case "after":
				w.spy.afterSign = move
				require.Equal(t, TryLater, refused(t, post(w.Responder, der)))
				require.EqualValues(t, 1, w.spy.direct.Load())
				w.spy.afterSign = nil
			}
			require.Equal(t, Unauthorized, refused(t, post(w.Responder, der)), "it is not here any more")
			require.Zero(t, w.cache.len())
		})
	}
}
