package krl_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca/krl"
)

// shelf serves whatever lies on it.
type shelf struct {
	*httptest.Server
	status int
	body   []byte
	header map[string]string
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{status: 200}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range s.header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(s.status)
		_, _ = w.Write(s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shelf) fetcher() *krl.Fetcher {
	return &krl.Fetcher{URL: s.URL + "/krl", Client: s.Client()}
}

func made(t *testing.T, version uint64, at time.Time, serials ...uint64) []byte {
	t.Helper()
	l := &krl.List{Version: version, Generated: at, Certificates: []krl.Certificates{{Serials: krl.RangesOf(serials)}}}
	b, err := l.Marshal()
	require.NoError(t, err)
	return b
}

func TestFetch(t *testing.T) {
	s, dir, now := newShelf(t), t.TempDir(), time.Now()
	path := filepath.Join(dir, "revoked.krl")
	fetch := func(body []byte) (*krl.Outcome, error) {
		s.body = body
		return s.fetcher().Fetch(context.Background(), path)
	}
	file := func() []byte {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	first := made(t, 5, now.Add(-time.Minute), 1)
	o, err := fetch(first)
	require.NoError(t, err)
	require.True(t, o.Updated)
	require.EqualValues(t, 5, o.Version)
	require.EqualValues(t, 1, o.Entries)
	require.Equal(t, first, file())
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o644), info.Mode().Perm(), "sshd reads it as another user")
	}
	o, err = fetch(first)
	require.NoError(t, err)
	require.False(t, o.Updated)
	dated := made(t, 5, now.Add(-30*time.Second), 1)
	_, err = fetch(dated)
	require.NoError(t, err)
	newer := made(t, 6, now, 1, 2)
	o, err = fetch(newer)
	require.NoError(t, err)
	require.True(t, o.Updated)

	for name, x := range map[string]struct {
		body []byte
		want error
	}{
		"an older version":     {made(t, 5, now, 1), krl.ErrRollback},
		"a stale one":          {made(t, 7, now.Add(-2*time.Hour), 1), krl.ErrStale},
		"one from the future":  {made(t, 7, now.Add(time.Hour), 1), krl.ErrStale},
		"a page":               {[]byte("<html>log in first</html>"), krl.ErrFormat},
		"nothing":              {nil, krl.ErrFormat},
		"half of it":           {newer[:len(newer)-5], krl.ErrFormat},
		"one that is too long": {make([]byte, krl.Max+1), krl.ErrTooLarge},
	} {
		_, err = fetch(x.body)
		require.ErrorIs(t, err, x.want, name)
		require.Equal(t, newer, file(), name)
	}
	o, err = fetch(made(t, 6, now.Add(-10*time.Second), 1, 2))
	require.NoError(t, err)
	require.False(t, o.Updated, "another node dates the same list by its own clock")
	require.WithinDuration(t, now, o.Generated, time.Second, "what is in the file")
	require.Equal(t, newer, file())
	for _, status := range []int{204, 301, 302, 307, 404, 500, 503} {
		s.status, s.header = status, map[string]string{"Location": s.URL + "/elsewhere"}
		_, err = fetch(made(t, 9, now, 1))
		require.ErrorIs(t, err, krl.ErrStatus, status)
	}
	s.status = 200
	s.header = map[string]string{"Content-Length": "100000"}
	_, err = fetch(made(t, 9, now, 1))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, newer, file())
	s.header = nil
	small := s.fetcher()
	s.body, small.MaxBytes = made(t, 9, now, 1), 20
	_, err = small.Fetch(context.Background(), path)
	require.ErrorIs(t, err, krl.ErrTooLarge)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "no file is left lying about")

	// What stands in the place of a list is for people to look at.
	require.NoError(t, os.WriteFile(path, []byte("not a list"), 0o600))
	_, err = fetch(made(t, 9, now, 1))
	require.ErrorIs(t, err, krl.ErrFormat)
	require.NoError(t, os.WriteFile(path, nil, 0o600)) // as touch makes it
	_, err = fetch(made(t, 9, now, 1))
	require.NoError(t, err)
	s.Close()
	_, err = s.fetcher().Fetch(context.Background(), path)
	require.Error(t, err)
	_, err = (&krl.Fetcher{URL: s.URL}).Fetch(context.Background(), path)
	require.ErrorContains(t, err, "no client")
	f := s.fetcher()
	f.URL = ":"
	_, err = f.Fetch(context.Background(), path)
	require.Error(t, err)
}

// A disk that cannot be written to is an error, and what is there stays.
func TestFetchReadOnly(t *testing.T) {
	s, dir := newShelf(t), t.TempDir()
	s.body = made(t, 9, time.Now(), 1)
	_, err := s.fetcher().Fetch(context.Background(), filepath.Join(dir, "no", "such", "folder"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = s.fetcher().Fetch(context.Background(), dir)
	require.Error(t, err, "a folder is no file")

	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("permissions do not hold here; run this as another user than root")
	}
	path := filepath.Join(dir, "krl")
	old := made(t, 8, time.Now(), 1)
	require.NoError(t, os.WriteFile(path, old, 0o600))
	require.NoError(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	_, err = s.fetcher().Fetch(context.Background(), path)
	require.ErrorIs(t, err, fs.ErrPermission)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, old, got)
}

// wire is a client's transport that ends in a handler, with no network between.
type wire struct {
	http.Handler
	answers []int
	frozen  int // with what somebody in between answers; 0: nobody does
	body    []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if w.frozen != 0 {
		rec.WriteHeader(w.frozen)
		_, _ = rec.Write(w.body)
	} else {
		w.ServeHTTP(rec, r)
	}
	a := rec.Result()
	w.answers = append(w.answers, a.StatusCode)
	return a, nil
}

// From the books to the file: what has not changed is not sent again, yet must prove that it is new.
func TestFetchFromPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, b, path := newKey(t), &books{}, filepath.Join(t.TempDir(), "krl")
		signer, key := newSigner(t, kms.ECDSAP256)
		w := &wire{Handler: publisher(t, b, krl.Options{Signer: signer})}
		f := &krl.Fetcher{URL: "https://ca.internal/ssh/krl", Client: &http.Client{Transport: w}, Keys: []ssh.PublicKey{key}}
		fetch := func(updated bool, status int) *krl.Outcome {
			t.Helper()
			o, err := f.Fetch(t.Context(), path)
			require.NoError(t, err)
			require.Equal(t, updated, o.Updated)
			require.Equal(t, status, w.answers[len(w.answers)-1])
			return o
		}
		fetch(true, 200)
		fetch(false, 304)
		b.add(krl.Change{CA: ca, Serial: 7, Revoked: true, Until: time.Now().Add(time.Hour)})
		time.Sleep(time.Second)
		o := fetch(true, 200)
		require.EqualValues(t, 1, o.Version)
		require.EqualValues(t, 1, o.Entries)
		time.Sleep(4 * time.Minute)
		fetch(false, 304)
		time.Sleep(time.Minute)
		o = fetch(true, 200)
		require.Less(t, time.Since(o.Generated), time.Second, "dated anew")

		// The list in the file is not asked for by its tag if it would not be taken over.
		_, other := newSigner(t, kms.Ed25519)
		f.Keys = append(f.Keys, other)
		fetch(false, 304)
		f.Keys = f.Keys[1:]
		_, err := f.Fetch(t.Context(), path)
		require.ErrorIs(t, err, krl.ErrSignature)
		f.Keys = []ssh.PublicKey{key}

		// Somebody answers with what they have kept: that it has not changed, or the list itself.
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, status := range []int{304, 200} {
			body := kept
			if status == 304 {
				body = nil
			}
			b.add(krl.Change{CA: ca, Serial: 8 + uint64(status), Revoked: true, Until: time.Now().Add(99 * time.Hour)})
			w.frozen, w.body = status, body
			fetch(false, status)
			time.Sleep(time.Hour - 5*time.Second - time.Since(o.Generated))
			fetch(false, status)
			time.Sleep(6 * time.Second)
			_, err := f.Fetch(t.Context(), path)
			require.ErrorIs(t, err, krl.ErrStale, "for no longer than an hour")
			w.frozen = 0
			o = fetch(true, 200)
			kept, err = os.ReadFile(path)
			require.NoError(t, err)
		}

		// Whoever has no list cannot be told that it has not changed.
		require.NoError(t, os.Remove(path))
		w.frozen, w.body = 304, nil
		_, err = f.Fetch(t.Context(), path)
		require.ErrorIs(t, err, krl.ErrStatus)
	})
}

func TestFetchSigned(t *testing.T) {
	s, path := newShelf(t), filepath.Join(t.TempDir(), "krl")
	signer, key := newSigner(t, kms.Ed25519)
	f := s.fetcher()
	f.Keys = []ssh.PublicKey{newKey(t), key}
	plain := made(t, 1, time.Now(), 1)
	s.body = plain
	_, err := f.Fetch(context.Background(), path)
	require.ErrorIs(t, err, krl.ErrSignature)
	require.NoFileExists(t, path)
	s.body, err = krl.Sign(context.Background(), plain, signer)
	require.NoError(t, err)
	_, err = f.Fetch(context.Background(), path)
	require.NoError(t, err)
	f.Keys = f.Keys[:1]
	_, err = f.Fetch(context.Background(), path)
	require.ErrorIs(t, err, krl.ErrSignature)
}

func TestFetchEnds(t *testing.T) {
	s := newShelf(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.fetcher().Fetch(ctx, filepath.Join(t.TempDir(), "krl"))
	require.ErrorIs(t, err, context.Canceled)
}
