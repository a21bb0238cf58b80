package krl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// A Fetcher keeps a file of a list up to date, for sshd's RevokedKeys. It never puts an older list, a stale
// one, or something that is none in the place of the one that is there.
//
// Whoever sits between the host and the CA can hold a list back, or answer with one from before. What they
// cannot do is make it look new: a [Publisher] dates its list anew every Options.Refresh, and for a list of
// more than MaxAge ago, be it the very one in the file, Fetch returns [ErrStale]. So MaxAge is how long a
// revocation can be held back unnoticed. It should be a few times Refresh. Without Keys this holds for those
// who cannot break TLS, with them for everybody who has not the key.
//
// Fetch may be called concurrently, but not for the same file.
type Fetcher struct {
	URL string

	// Client is required. What it says about redirects is not heeded: none is followed.
	Client *http.Client

	// Keys are those that may sign the list. Nil: whoever answers under the URL is believed, which is as much
	// as TLS proves; a signature that is there must match all the same.
	Keys []ssh.PublicKey

	MaxAge   time.Duration // how old a list may be; zero means 1h
	MaxBytes int64         // zero means Max
}

// Outcome is what a fetch did, and what is in the file now.
type Outcome struct {
	Updated   bool // the file has another list than before
	Version   uint64
	Generated time.Time
	Entries   uint64
}

// Why a list was not taken over; [ErrFormat] and [ErrSignature] are further reasons.
var (
	ErrRollback = errors.New("krl: the list is older than the one that is there")
	ErrStale    = errors.New("krl: the list is too old, or from the future")
	ErrTooLarge = errors.New("krl: the list is too large")
	ErrStatus   = errors.New("krl: the server did not answer with a list")
)

// leeway is how far clocks may differ.
const leeway = time.Minute

// Fetch gets the list and puts it into the file at path, in one step and durably, unless it is there already.
// Whatever goes wrong, the file stays as it was. The server is told which list is there, by its ETag, and need
// not send it again.
//
// A list of the same version as the one that is there, but an earlier date, is that of another node of the same
// CA: the file stays, and that is no error. After the CA's books were restored from a backup its versions may be
// lower than before, and Fetch returns [ErrRollback] until somebody removes the file, or they have caught up.
func (f *Fetcher) Fetch(ctx context.Context, path string) (*Outcome, error) {
	if f.Client == nil {
		return nil, errors.New("krl: there is no client to fetch a list with")
	}
	old, known, err := f.present(path)
	if err != nil {
		return nil, err
	}
	b, err := f.get(ctx, known)
	if err != nil {
		return nil, err
	}
	l := old
	if b != nil {
		if l, err = f.read(b); err != nil {
			return nil, err
		}
	}
	switch age := time.Since(l.Generated); {
	case age > cmp.Or(f.MaxAge, time.Hour), age < -leeway:
		return nil, fmt.Errorf("%w: it is of %s", ErrStale, l.Generated.Format(time.RFC3339))
	case old != nil && l.Version < old.Version:
		return nil, fmt.Errorf("%w: version %d, after version %d", ErrRollback, l.Version, old.Version)
	case old != nil && l.Version == old.Version && (l.Generated.Before(old.Generated) || equal(old, l)):
		return outcome(old, false), nil
	}
	if err := replace(path, b); err != nil {
		return nil, err
	}
	return outcome(l, true), nil
}

func outcome(l *List, updated bool) *Outcome {
	return &Outcome{Updated: updated, Version: l.Version, Generated: l.Generated, Entries: l.Len()}
}

func (f *Fetcher) read(b []byte) (*List, error) {
	if len(f.Keys) == 0 {
		return Parse(b)
	}
	return Verify(b, f.Keys...)
}

// present reads the list that is there; nil for none. A file that is no list stands in the way: it may be
// somebody's way of having sshd refuse everybody, and is for people to look at. The tag is that of a list that
// would be taken over now, and need not be sent again.
func (f *Fetcher) present(path string) (l *List, known string, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("krl: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, Max+1))
	if err != nil {
		return nil, "", fmt.Errorf("krl: %w", err)
	}
	if len(b) == 0 {
		return nil, "", nil
	}
	if l, err = Parse(b); err != nil {
		return nil, "", fmt.Errorf("krl: %s: %w", path, err)
	}
	if _, err := f.read(b); err == nil {
		known = tag(l.Version, b)
	}
	return l, known, nil
}

// get returns what the server has; nil if that is what is known.
func (f *Fetcher) get(ctx context.Context, known string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("krl: %w", err)
	}
	if known != "" {
		r.Header.Set("If-None-Match", known)
	}
	c := *f.Client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w, err := c.Do(r)
	if err != nil {
		return nil, fmt.Errorf("krl: %w", err)
	}
	defer w.Body.Close()
	switch {
	case w.StatusCode == http.StatusNotModified && known != "":
		return nil, nil
	case w.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w, but with %s", ErrStatus, w.Status)
	}
	limit := cmp.Or(f.MaxBytes, int64(Max))
	b, err := io.ReadAll(io.LimitReader(w.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("krl: %w", err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return b, nil
}

// replace writes the file beside the old one, and puts it in its place once it is on the disk.
func replace(path string, b []byte) (err error) {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("krl: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("krl: %w", err), os.Remove(t.Name()))
		}
	}()
	_, err = t.Write(b)
	if err = errors.Join(err, t.Chmod(0o644), t.Sync(), t.Close()); err != nil {
		return err
	}
	if err = os.Rename(t.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // Windows, where renames need no such help
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}
