package krl_test

import (
	"context"
	"crypto"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca/krl"
)

// books are a source that can be told what to say.
type books struct {
	mu       sync.Mutex
	changes  []krl.Change // the n-th has revision n+1
	revision int64        // if it is not the number of changes
	err      error
	hang     bool
	slow     time.Duration
	asked    int
	above    int64 // that was asked for last
}

func (b *books) SSHRevocations(ctx context.Context, above int64) ([]krl.Change, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	b.above = above
	time.Sleep(b.slow)
	if b.hang {
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}
	if b.err != nil {
		return nil, 0, b.err
	}
	if b.revision != 0 {
		return nil, b.revision, nil
	}
	return b.changes[min(int(above), len(b.changes)):], int64(len(b.changes)), nil
}

func (b *books) add(c krl.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes = append(b.changes, c)
}

func (b *books) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func list(t *testing.T, p *krl.Publisher) (*krl.List, *krl.Signed) {
	t.Helper()
	s, err := p.List(t.Context())
	require.NoError(t, err)
	l, err := krl.Parse(s.Bytes)
	require.NoError(t, err)
	require.Equal(t, s.Version, l.Version)
	require.EqualValues(t, s.Entries, l.Len())
	return l, s
}

func publisher(t *testing.T, b *books, o krl.Options) *krl.Publisher {
	t.Helper()
	p, err := krl.New(b, o)
	require.NoError(t, err)
	return p
}

func TestPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, b := newKey(t), &books{}
		p := publisher(t, b, krl.Options{Comment: "ours"})
		l, first := list(t, p)
		require.Zero(t, l.Len())
		require.Equal(t, "ours", l.Comment)
		for range 100 {
			list(t, p)
		}
		require.Equal(t, 1, b.asked, "within a second nobody asks again")

		b.add(krl.Change{CA: ca, Serial: 7, Revoked: true, Until: time.Now().Add(time.Hour)})
		b.add(krl.Change{CA: ca, Serial: 8, Revoked: true, Until: time.Now().Add(time.Hour)})
		l, _ = list(t, p)
		require.Zero(t, l.Len())
		p.Wake()
		l, second := list(t, p)
		require.EqualValues(t, 2, l.Len(), "woken, it does not wait")
		require.True(t, l.Revokes(&ssh.Certificate{Key: ca, SignatureKey: ca, Serial: 7}))
		require.NotEqual(t, first.ETag, second.ETag)

		b.add(krl.Change{CA: ca, Serial: 7})
		time.Sleep(time.Second)
		l, _ = list(t, p)
		require.EqualValues(t, 1, l.Len(), "a hold has ended")
		require.EqualValues(t, 3, l.Version)

		_, before := list(t, p)
		time.Sleep(5 * time.Minute)
		l, after := list(t, p)
		require.Equal(t, before.Version, after.Version)
		require.True(t, l.Generated.After(before.Generated), "dated anew, so that it can be told from an old one")
		time.Sleep(2 * time.Hour)
		l, _ = list(t, p)
		require.Zero(t, l.Len(), "what has ended goes")
	})
}

// Who comes while the source is asked waits for that answer, be it a failure.
func TestPublisherShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{slow: 500 * time.Millisecond}
		p := publisher(t, b, krl.Options{})
		crowd := func() (failed int64) {
			var wg sync.WaitGroup
			var n atomic.Int64
			for range 50 {
				wg.Go(func() {
					if _, err := p.List(context.Background()); err != nil {
						n.Add(1)
					}
				})
			}
			wg.Wait()
			return n.Load()
		}
		require.Zero(t, crowd())
		require.Equal(t, 1, b.asked)
		time.Sleep(2 * time.Minute)
		b.set(func() { b.err = errors.New("down") })
		require.EqualValues(t, 50, crowd())
		require.Equal(t, 2, b.asked, "a source that fails is not asked more often")
		time.Sleep(time.Second)
		b.set(func() { b.err, b.slow = nil, 0 })
		require.Zero(t, crowd())
	})
}

func TestPublisherFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		ca, b := newKey(t), &books{err: down}
		p := publisher(t, b, krl.Options{})
		_, err := p.List(t.Context())
		require.ErrorIs(t, err, down)
		time.Sleep(time.Second)
		b.set(func() { b.err = nil })
		list(t, p)

		b.set(func() { b.err = down })
		b.add(krl.Change{CA: ca, Serial: 1, Revoked: true, Until: time.Now().Add(time.Hour)})
		time.Sleep(30 * time.Second)
		list(t, p)
		time.Sleep(31 * time.Second)
		_, err = p.List(t.Context())
		require.ErrorIs(t, err, down, "a list that may lack the newest is not served for ever")
		time.Sleep(time.Second)
		b.set(func() { b.err = nil })
		l, _ := list(t, p)
		require.EqualValues(t, 1, l.Len())
	})
}

// A source that hangs holds nobody up for long, and the last list is good for a while.
func TestPublisherHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		p := publisher(t, b, krl.Options{})
		list(t, p)
		time.Sleep(2 * time.Second)
		b.set(func() { b.hang = true })
		began := time.Now()
		for range 20 {
			list(t, p)
		}
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Equal(t, 2, b.asked)
		time.Sleep(time.Minute)
		_, err := p.List(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)

		// Whoever leaves early is not taken for a failure of the source, and what they were woken for is not forgotten.
		time.Sleep(time.Second)
		b.set(func() { b.hang = false })
		list(t, p)
		b.add(krl.Change{CA: newKey(t), Serial: 1, Revoked: true})
		b.set(func() { b.hang = true })
		p.Wake()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		before, err := p.List(ctx)
		require.NoError(t, err)
		require.Zero(t, before.Entries)
		b.set(func() { b.hang = false })
		l, _ := list(t, p)
		require.EqualValues(t, 1, l.Len())
	})
}

// Whoever leaves before there is a first list gets none.
func TestPublisherLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{hang: true}
		p := publisher(t, b, krl.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := p.List(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		b.set(func() { b.hang = false })
		list(t, p)
	})
}

// What comes after books were restored is another history, though its revisions may be the same.
func TestPublisherBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, b, end := newKey(t), &books{}, time.Now().Add(24*time.Hour)
		p := publisher(t, b, krl.Options{})
		for n := range uint64(5) {
			b.add(krl.Change{CA: ca, Serial: n + 1, Revoked: true, Until: end})
		}
		_, before := list(t, p)
		require.EqualValues(t, 5, before.Version)
		b.set(func() { b.changes = b.changes[:2] })
		time.Sleep(time.Second)
		_, after := list(t, p)
		require.Same(t, before, after, "nothing is served that says less")
		time.Sleep(time.Minute)
		_, err := p.List(t.Context())
		require.ErrorIs(t, err, krl.ErrBackwards)
		for n := range uint64(3) {
			b.add(krl.Change{CA: ca, Serial: n + 11, Revoked: true, Until: end})
		}
		time.Sleep(time.Second)
		l, s := list(t, p)
		require.Zero(t, b.above, "all is asked for")
		require.EqualValues(t, 5, s.Version)
		require.Equal(t, []krl.Range{{First: 1, Last: 2}, {First: 11, Last: 13}}, l.Certificates[0].Serials)
		b.set(func() { b.revision = -1 })
		time.Sleep(2 * time.Minute)
		_, err = p.List(t.Context())
		require.ErrorIs(t, err, krl.ErrBackwards)
	})
}

// What no list can name is an error: it would be missing from the list, and nobody would know.
func TestPublisherRefuses(t *testing.T) {
	for name, c := range map[string]krl.Change{"no CA": {Serial: 1, Revoked: true}, "no serial": {CA: newKey(t), Revoked: true}} {
		p, err := krl.New(krl.SourceFunc(func(context.Context, int64) ([]krl.Change, int64, error) {
			return []krl.Change{c}, 1, nil
		}), krl.Options{})
		require.NoError(t, err)
		_, err = p.List(t.Context())
		require.ErrorContains(t, err, "no list can name", name)
	}
}

// Entries go an hour after their certificates have ended, those without an end never.
func TestPublisherKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, b := newKey(t), &books{}
		p := publisher(t, b, krl.Options{})
		b.add(krl.Change{CA: ca, Serial: 1, Revoked: true, Until: time.Now().Add(time.Hour)})
		b.add(krl.Change{CA: newKey(t), Serial: 2, Revoked: true})
		time.Sleep(2*time.Hour - time.Second)
		l, _ := list(t, p)
		require.EqualValues(t, 2, l.Len())
		time.Sleep(5*time.Minute + time.Second)
		l, s := list(t, p)
		require.EqualValues(t, 1, l.Len())
		require.EqualValues(t, 2, s.Version, "nobody has changed anything")
		time.Sleep(100 * 365 * 24 * time.Hour)
		l, _ = list(t, p)
		require.EqualValues(t, 1, l.Len())
	})
}

// The same state has the same bytes until it is dated anew.
func TestPublisherTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		signer, _ := newSigner(t, kms.ECDSAP256) // whose signatures are never the same
		p := publisher(t, b, krl.Options{Signer: signer})
		_, first := list(t, p)
		time.Sleep(5*time.Minute - time.Second)
		_, same := list(t, p)
		require.Same(t, first, same)
		time.Sleep(time.Second)
		_, dated := list(t, p)
		require.NotEqual(t, first.ETag, dated.ETag)
		require.Regexp(t, `^"0-[0-9a-f]{32}"$`, dated.ETag)
		require.Equal(t, first.Generated.Add(5*time.Minute), dated.Generated)
	})
}

// Whoever waits for somebody else's question waits no longer than they want.
func TestPublisherWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{hang: true}
		p := publisher(t, b, krl.Options{})
		slow, end := context.WithTimeout(t.Context(), time.Hour)
		go func() { _, _ = p.List(slow) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.List(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		end()
		synctest.Wait()
	})
}

// failing fails as often as it is told.
type failing struct {
	kms.Signer
	times int
}

func (f *failing) Sign(ctx context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if f.times--; f.times >= 0 {
		return nil, errors.New("no signature")
	}
	return f.Signer.Sign(ctx, digest, o)
}

// A signer that fails costs nothing that was told.
func TestPublisherSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := newSigner(t, kms.ECDSAP256)
		f := &failing{Signer: s}
		ca, b := newKey(t), &books{}
		p := publisher(t, b, krl.Options{Signer: f})
		_, first := list(t, p)
		_, err := krl.Verify(first.Bytes, key)
		require.NoError(t, err)
		f.times = 1
		b.add(krl.Change{CA: ca, Serial: 1, Revoked: true, Until: time.Now().Add(time.Hour)})
		time.Sleep(time.Second)
		list(t, p) // the last one
		time.Sleep(time.Second)
		l, next := list(t, p)
		require.EqualValues(t, 1, l.Len())
		_, err = krl.Verify(next.Bytes, key)
		require.NoError(t, err)
	})
}

func TestNewRefuses(t *testing.T) {
	_, err := krl.New(nil, krl.Options{})
	require.Error(t, err)
	for _, o := range []krl.Options{{Every: -1}, {Timeout: -1}, {Refresh: -1}, {Grace: -1}, {MaxAge: -1}, {Keep: -1}, {Comment: "a\x00"}} {
		_, err = krl.New(&books{}, o)
		require.Error(t, err)
	}
}

// A change that came between the revision and what it says is listed at once. One that is told with no revision
// at all, and so each time, is no reason to make the list each time.
func TestPublisherTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []krl.Change
		var revision int64
		p, err := krl.New(krl.SourceFunc(func(context.Context, int64) ([]krl.Change, int64, error) {
			return changes, revision, nil
		}), krl.Options{})
		require.NoError(t, err)
		changes = []krl.Change{{CA: newKey(t), Serial: 1, Revoked: true}}
		_, first := list(t, p)
		require.Equal(t, 1, first.Entries)
		time.Sleep(time.Second)
		_, same := list(t, p)
		require.Same(t, first, same)
		changes, revision = nil, 4
		time.Sleep(time.Second)
		_, before := list(t, p)
		require.EqualValues(t, 4, before.Version)
		changes = []krl.Change{{CA: newKey(t), Serial: 2, Revoked: true}}
		time.Sleep(time.Second)
		_, after := list(t, p)
		require.Equal(t, before.Entries+1, after.Entries)
		require.Equal(t, before.Version, after.Version)
	})
}

func BenchmarkListUnchanged(b *testing.B) {
	p, err := krl.New(&books{}, krl.Options{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.List(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
