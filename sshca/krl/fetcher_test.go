package krl_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
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
	c := s.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &krl.Fetcher{URL: s.URL + "/krl", Client: c}
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
		"an older date":        {made(t, 6, now.Add(-10*time.Second), 1, 2), krl.ErrRollback},
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
	for _, status := range []int{204, 302, 304, 404, 500} {
		s.status, s.header = status, map[string]string{"Location": s.URL + "/elsewhere"}
		_, err = fetch(made(t, 9, now, 1))
		require.ErrorIs(t, err, krl.ErrStatus, status)
	}
	s.status = 200
	s.header = map[string]string{"Content-Length": "100000"}
	_, err = fetch(made(t, 9, now, 1))
	require.Error(t, err, "the connection ends too early")
	s.header = nil
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
	_, err = s.fetcher().Fetch(context.Background(), filepath.Join(dir, "no", "such", "folder"))
	require.Error(t, err)
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
