package ocsp

import (
	"context"
	"crypto"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	oracle "golang.org/x/crypto/ocsp"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
)

// A store that is down is no reason to call anything good, unless it was chosen, was looked up before, and is
// still in its time.
func TestStoreDown(t *testing.T) {
	for _, serve := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Options{ServeThroughOutage: serve, Direct: true})
			asked, never := w.Leaf("a.internal").Leaf, w.Leaf("b.internal").Leaf
			w.says(asked, w.Intermediate)
			w.Faults.Fail(authoritytest.Read, 1000)
			der := question(t, asked, w.Intermediate, crypto.SHA256)
			if serve {
				time.Sleep(11 * time.Hour)
				require.Equal(t, oracle.Good, w.says(asked, w.Intermediate).Status)
				time.Sleep(time.Hour)
			}
			require.Equal(t, TryLater, refused(t, post(w.Responder, der)))
			require.Equal(t, TryLater, refused(t, post(w.Responder, question(t, never, w.Intermediate, crypto.SHA256))))
			require.Equal(t, TryLater, refused(t, post(w.Responder, withNonce(t, der, []byte("n")))))
			_, err := w.Staple(t.Context(), never)
			require.Equal(t, TryLater, statusOf(err))
			w.ahead(t.Context())
			w.Faults.Clear()
			w.revoke(asked, 1)
			require.Equal(t, oracle.Revoked, w.says(asked, w.Intermediate).Status)
		})
	}
}

// A failed look-up that is nobody's outage is our fault, and said so.
func TestStoreBroken(t *testing.T) {
	w := newWorld(t, Options{})
	leaf := w.Leaf("a.internal").Leaf
	w.spy.onStanding = func(context.Context) error { return errors.New("row makes no sense") }
	require.Equal(t, InternalError, refused(t, post(w.Responder, question(t, leaf, w.Intermediate, crypto.SHA1))))
}

// Without a responder certificate nothing is signed, or the issuer signs, as was chosen. The issuer's key and
// the log are not bothered by every client.
func TestNoResponderCertificate(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Options{Fallback: fallback, Cache: -1})
			leaf := w.Leaf("a.internal").Leaf
			der := question(t, leaf, w.Intermediate, crypto.SHA1)
			down := true
			w.spy.onIssue = func(context.Context) error {
				if down {
					return errors.New("no")
				}
				return nil
			}
			for range 100 {
				res := post(w.Responder, der)
				if fallback {
					require.Nil(t, w.parsed(res.Body.Bytes(), leaf, w.Intermediate).Certificate)
				} else {
					require.Equal(t, TryLater, refused(t, res))
				}
			}
			require.EqualValues(t, 1, w.spy.issued.Load())
			for range 3600 {
				time.Sleep(time.Second)
				post(w.Responder, der)
			}
			require.Less(t, w.spy.issued.Load(), int64(25), "attempts become rare")
			down = false
			time.Sleep(lastRetry)
			require.NotNil(t, w.parsed(post(w.Responder, der).Body.Bytes(), leaf, w.Intermediate).Certificate)

			// Renewal fails: the current one goes on as long as it lasts.
			down = true
			time.Sleep(6 * 24 * time.Hour)
			require.NotNil(t, w.parsed(post(w.Responder, der).Body.Bytes(), leaf, w.Intermediate).Certificate)
			time.Sleep(24 * time.Hour)
			if !fallback {
				require.Equal(t, TryLater, refused(t, post(w.Responder, der)))
			}
		})
	}
}

// A certificate that clients would not accept is not used: of another issuer, or of another key.
func TestWrongResponderCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t)
		w := newWorld(t, Options{}, more("second", root(t, "Second", key, 1), key))
		leaf := w.Leaf("a.internal").Leaf
		der := question(t, leaf, w.Intermediate, crypto.SHA1)
		for _, instead := range []func(crypto.Signer) (*authority.Certificate, error){
			func(key crypto.Signer) (*authority.Certificate, error) {
				return w.Authority.IssueResponder(t.Context(), "second", key)
			},
			func(crypto.Signer) (*authority.Certificate, error) {
				return w.Authority.IssueResponder(t.Context(), "intermediate", newKey(t))
			},
		} {
			w.spy.instead = instead
			require.Equal(t, TryLater, refused(t, post(w.Responder, der)))
			time.Sleep(lastRetry)
		}
		require.EqualValues(t, 2, w.spy.issued.Load())
		w.spy.instead = nil
		require.NotNil(t, w.parsed(post(w.Responder, der).Body.Bytes(), leaf, w.Intermediate).Certificate)
	})
}

// A signer that fails: what was signed before and was just looked up is still true.
func TestSignerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Direct: true})
		leaf, other := w.Leaf("a.internal").Leaf, w.Leaf("b.internal").Leaf
		w.says(leaf, w.Intermediate)
		time.Sleep(7 * time.Hour)
		w.Faults.Fail(authoritytest.Sign, 1000)
		require.Equal(t, oracle.Good, w.says(leaf, w.Intermediate).Status)
		require.Equal(t, TryLater, refused(t, post(w.Responder, question(t, other, w.Intermediate, crypto.SHA1))))
		w.revoke(leaf, 1)
		require.Equal(t, TryLater, refused(t, post(w.Responder, question(t, leaf, w.Intermediate, crypto.SHA256))), "never good again")
		w.Faults.Clear()
		require.Equal(t, oracle.Revoked, w.says(leaf, w.Intermediate).Status)
	})
}

// A flood of nonces cannot take all the places at a key that hangs, and what waits is bounded.
func TestNonceFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Direct: true, Signing: 4})
		leaf := w.Leaf("a.internal").Leaf
		der := question(t, leaf, w.Intermediate, crypto.SHA256)
		var mu sync.Mutex
		now, most := 0, 0
		hang := true
		w.spy.onSign = func(ctx context.Context) error {
			mu.Lock()
			now++
			most = max(most, now)
			h := hang
			hang = hang && now < 2
			mu.Unlock()
			defer func() { mu.Lock(); now--; mu.Unlock() }()
			if !h {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		var wg sync.WaitGroup
		var later int
		start := time.Now()
		for i := range 500 {
			wg.Go(func() {
				res := post(w.Responder, withNonce(t, der, []byte{byte(i), byte(i >> 8)}))
				if res.Body.Len() == 5 && refused(t, res) == TryLater {
					mu.Lock()
					later++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		mu.Lock()
		require.Equal(t, 2, most, "half of the places")
		mu.Unlock()
		require.Equal(t, oracle.Good, w.says(leaf, w.Intermediate).Status, "there is a place for the others")
		require.Equal(t, time.Now(), start)
		wg.Wait()
		require.Equal(t, 10*time.Second, time.Since(start))
		require.GreaterOrEqual(t, later, 460, "few may wait")
	})
}

// One signature for all who need it; it is made even if the first of them has gone.
func TestOneSignatureForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Direct: true})
		leaf := w.Leaf("a.internal").Leaf
		der := question(t, leaf, w.Intermediate, crypto.SHA256)
		wait := make(chan struct{})
		w.spy.onSign = func(ctx context.Context) error {
			select {
			case <-wait:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = w.respond(ctx, der) })
		synctest.Wait()
		for range 50 {
			wg.Go(func() { require.Equal(t, oracle.Good, w.says(leaf, w.Intermediate).Status) })
		}
		gone, leave := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := w.respond(gone, der)
			require.Equal(t, TryLater, err)
		})
		synctest.Wait()
		cancel()
		leave()
		synctest.Wait()
		close(wait)
		wg.Wait()
		require.EqualValues(t, 1, w.spy.direct.Load())
		require.Empty(t, w.flight)
	})
}
