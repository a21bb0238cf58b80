package krl_test

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
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
	asked    int
}

func (b *books) SSHRevocations(ctx context.Context, above int64) ([]krl.Change, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
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

func TestPublisherShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		p := publisher(t, b, krl.Options{})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = p.List(context.Background()) })
		}
		wg.Wait()
		require.Equal(t, 1, b.asked)
	})
}

func TestPublisherFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, b, down := newKey(t), &books{err: errors.New("down")}, errors.New("down")
		p := publisher(t, b, krl.Options{})
		_, err := p.List(t.Context())
		require.ErrorContains(t, err, "down")
		b.set(func() { b.err = nil })
		list(t, p)

		b.set(func() { b.err = down })
		b.changes = append(b.changes, krl.Change{CA: ca, Serial: 1, Revoked: true, Until: time.Now().Add(time.Hour)})
		time.Sleep(30 * time.Second)
		list(t, p)
		time.Sleep(31 * time.Second)
		_, err = p.List(t.Context())
		require.ErrorIs(t, err, down, "a list that may lack the newest is not served for ever")
		b.set(func() { b.err = nil })
		l, _ := list(t, p)
		require.EqualValues(t, 1, l.Len())

		time.Sleep(2 * time.Second)
		b.set(func() { b.hang = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.List(ctx)
		require.NoError(t, err, "the last one is good for a while")
		b.set(func() { b.hang, b.changes = false, nil })
		time.Sleep(2 * time.Second)
		_, err = p.List(t.Context())
		require.ErrorIs(t, err, krl.ErrBackwards)
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
	_, err = krl.New(&books{}, krl.Options{Every: -1})
	require.Error(t, err)
}

func TestHandler(t *testing.T) {
	b := &books{}
	p := publisher(t, b, krl.Options{})
	do := func(method string, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/any/where", nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	got := do("GET", "")
	require.Equal(t, http.StatusOK, got.Code)
	require.Equal(t, "application/octet-stream", got.Header().Get("Content-Type"))
	require.Equal(t, "max-age=2", got.Header().Get("Cache-Control"))
	require.NotEmpty(t, got.Header().Get("Last-Modified"))
	_, err := krl.Parse(got.Body.Bytes())
	require.NoError(t, err)
	tag := got.Header().Get("ETag")
	head := do("HEAD", "")
	require.Equal(t, got.Header().Get("Content-Length"), head.Header().Get("Content-Length"))
	require.Empty(t, head.Body.Bytes())
	for _, v := range []string{tag, `"other", ` + tag, "W/" + tag, "*"} {
		require.Equal(t, http.StatusNotModified, do("GET", v).Code, v)
	}
	require.Equal(t, http.StatusOK, do("GET", `"other"`).Code)
	post := do("POST", "")
	require.Equal(t, http.StatusMethodNotAllowed, post.Code)
	require.Equal(t, "GET, HEAD", post.Header().Get("Allow"))

	bad := publisher(t, &books{err: errors.New("secret reason")}, krl.Options{})
	w := httptest.NewRecorder()
	bad.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "secret")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}

func BenchmarkListUnchanged(b *testing.B) {
	p, err := krl.New(&books{}, krl.Options{})
	require.NoError(b, err)
	for b.Loop() {
		if _, err := p.List(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
