package ocsp

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	oracle "golang.org/x/crypto/ocsp"
)

// An answer is signed once and given to all, but looked up for each, until half of its time is over.
func TestKeptAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Direct: true})
		leaf := w.Leaf("a.internal").Leaf
		first := w.says(leaf, w.Intermediate)
		time.Sleep(5*time.Hour + 50*time.Minute)
		require.Equal(t, first.Raw, w.says(leaf, w.Intermediate).Raw)
		require.EqualValues(t, []int64{1, 2}, []int64{w.spy.direct.Load(), w.spy.standings.Load()})
		time.Sleep(20 * time.Minute)
		second := w.says(leaf, w.Intermediate)
		require.Equal(t, 6*time.Hour+10*time.Minute, second.ThisUpdate.Sub(first.ThisUpdate))
		require.EqualValues(t, 2, w.spy.direct.Load())
	})
}

// The two hashes are two questions, whose answers repeat the CertID as it was asked.
func TestKeptByQuestion(t *testing.T) {
	w := newWorld(t, Options{Cache: 3})
	leaf := w.Leaf("a.internal").Leaf
	sha1, sha256 := question(t, leaf, w.Intermediate, crypto.SHA1), question(t, leaf, w.Intermediate, crypto.SHA256)
	bare := edit(t, sha1, func(q *wireRequest) { q.TBS.List[0].ID.Algorithm.Parameters = asn1.RawValue{} })
	for _, q := range [][]byte{sha1, sha256, bare, sha1, sha256, bare} {
		var asked wireRequest
		unmarshal(t, q, &asked)
		_, d := open(t, post(w.Responder, q).Body.Bytes())
		require.Equal(t, asked.TBS.List[0].ID, d.Singles[0].ID, "repeated as it was asked")
	}
	require.Equal(t, 3, w.cache.len())
	w.says(w.Leaf("b.internal").Leaf, w.Intermediate)
	require.Equal(t, 3, w.cache.len())
	require.Nil(t, w.cache.get(parseRequest(sha1).certs[0], time.Now()), "the least recently asked goes")
	require.NotNil(t, w.cache.get(parseRequest(bare).certs[0], time.Now()))

	none := newWorld(t, Options{Cache: -1})
	leaf = none.Leaf("a.internal").Leaf
	none.says(leaf, none.Intermediate)
	require.Zero(t, none.cache.len())
}

// A node that signs slowly does not put an older answer in the place of a newer one.
func TestPutKeepsTheNewer(t *testing.T) {
	c, i, now := newCache(10), &issuer{}, time.Now()
	id := certID{raw: "x"}
	newer, older := &answer{producedAt: now}, &answer{producedAt: now.Add(-time.Second)}
	c.put(id, i, newer, false)
	c.put(id, i, older, false)
	require.Same(t, newer, c.get(id, now))
	c.put(certID{raw: "dropped meanwhile"}, i, newer, true)
	require.Equal(t, 1, c.len())
}

// Run signs ahead what is asked for, so that nobody waits, and lets go of what is not.
func TestRunSignsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		wanted, forgotten := w.Leaf("a.internal").Leaf, w.Leaf("b.internal").Leaf
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { require.ErrorIs(t, w.Run(ctx), context.Canceled) })
		synctest.Wait()
		require.EqualValues(t, 1, w.spy.issued.Load(), "the responder certificate is there before it is needed")

		first := w.says(wanted, w.Intermediate)
		w.says(forgotten, w.Intermediate)
		time.Sleep(time.Hour)
		w.says(wanted, w.Intermediate)
		time.Sleep(5*time.Hour + time.Second)
		looked := w.spy.standings.Load()
		ahead := w.cache.get(parseRequest(question(t, wanted, w.Intermediate, crypto.SHA256)).certs[0], time.Now())
		require.True(t, ahead.thisUpdate.After(first.ThisUpdate.Add(5*time.Hour)))
		require.Equal(t, ahead.der, post(w.Responder, question(t, wanted, w.Intermediate, crypto.SHA256)).Body.Bytes())
		require.Equal(t, looked+1, w.spy.standings.Load())
		require.Equal(t, 2, w.cache.len())

		time.Sleep(7 * time.Hour)
		require.Equal(t, 1, w.cache.len())
		w.revoke(wanted, 1)
		require.Equal(t, oracle.Revoked, w.says(wanted, w.Intermediate).Status)
		time.Sleep(time.Minute)
		w.says(wanted, w.Intermediate)
		time.Sleep(6 * time.Hour)
		require.Equal(t, oracle.Revoked, w.says(wanted, w.Intermediate).Status)

		// The responder certificate is renewed at two thirds of its life, and used until then.
		time.Sleep(7 * 24 * time.Hour)
		require.EqualValues(t, 2, w.spy.issued.Load())
		cancel()
		wg.Wait()
	})
}

// Without Run, whoever needs a new responder certificate gets it, and only one does.
func TestResponderCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Cache: -1})
		leaf := w.Leaf("a.internal").Leaf
		slow := make(chan struct{})
		w.spy.onIssue = func(context.Context) error { <-slow; return nil }
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { w.says(leaf, w.Intermediate) })
		}
		synctest.Wait()
		close(slow)
		wg.Wait()
		require.EqualValues(t, 1, w.spy.issued.Load())

		time.Sleep(4 * 24 * time.Hour)
		before := w.says(leaf, w.Intermediate).Certificate
		require.EqualValues(t, 1, w.spy.issued.Load())
		time.Sleep(24 * time.Hour)
		// It is time. While one gets the next, the others go on with this one.
		slow = make(chan struct{})
		wg.Go(func() { require.NotEqual(t, before, w.says(leaf, w.Intermediate).Certificate) })
		synctest.Wait()
		require.Equal(t, before, w.says(leaf, w.Intermediate).Certificate)
		close(slow)
		wg.Wait()
		require.EqualValues(t, 2, w.spy.issued.Load())
	})
}

// Answers end with whoever signed them, and a responder certificate that is about to end with its issuer
// is not replaced over and over.
func TestEndOfTheIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Cache: -1})
		leaf := w.Leaf("a.internal").Leaf
		end := w.Intermediate.NotAfter
		time.Sleep(time.Until(end) - time.Hour)
		for range 10 {
			got := w.says(leaf, w.Intermediate)
			require.False(t, got.NextUpdate.After(end))
		}
		require.EqualValues(t, 1, w.spy.issued.Load())
		time.Sleep(50 * time.Minute)
		for range 10 {
			w.says(leaf, w.Intermediate)
		}
		require.EqualValues(t, 2, w.spy.issued.Load())
		time.Sleep(11 * time.Minute)
		require.Equal(t, Unauthorized, refused(t, post(w.Responder, question(t, leaf, w.Intermediate, crypto.SHA1))))
		w.ahead(t.Context())
		require.EqualValues(t, 2, w.spy.issued.Load())
	})
}

// Revocations, holds, releases and questions at the same time: an answer to a question that began after a
// change tells of it.
func TestRotationUnderLoad(t *testing.T) {
	w := newWorld(t, Options{Signing: 4})
	ctx, cancel := context.WithCancel(t.Context())
	var others, wg sync.WaitGroup
	others.Go(func() { _ = w.Run(ctx) })
	shared := w.Leaf("shared.internal").Leaf
	for range 4 {
		others.Go(func() {
			for ctx.Err() == nil {
				require.Equal(t, oracle.Good, w.says(shared, w.Intermediate).Status)
				w.index.Store(nil) // as if the authority was reconfigured: keys and certificates are made anew
			}
		})
	}
	for range 4 {
		leaf := w.Leaf("own.internal").Leaf
		wg.Go(func() { changes(t, w, leaf) })
	}
	wg.Wait()
	cancel()
	others.Wait()
}

func changes(t *testing.T, w *world, leaf *x509.Certificate) {
	for range 25 {
		require.Equal(t, oracle.Good, w.says(leaf, w.Intermediate).Status)
		w.revoke(leaf, 6)
		require.Equal(t, oracle.Revoked, w.says(leaf, w.Intermediate).Status)
		w.release(leaf)
	}
}
