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
// one, or something that is none in the place of the one that is there: an attacker between the host and
// the CA cannot make a revoked certificate good again, but for MaxAge.
type Fetcher struct {
	URL    string
	Client *http.Client // required

	// Keys are those that may sign the list. Nil: whoever answers under the URL is believed, which is as much
	// as TLS proves; a signature that is there must match all the same.
	Keys []ssh.PublicKey

	MaxAge   time.Duration // how old a list may be; zero means 1h
	MaxBytes int64         // zero means Max
}

// Outcome is what a fetch did.
type Outcome struct {
	Updated   bool // the file has another list than before
	Version   uint64
	Generated time.Time
	Entries   uint64
}

// Why a list was not taken over.
var (
	ErrRollback = errors.New("krl: the list is older than the one that is there")
	ErrStale    = errors.New("krl: the list is too old, or from the future")
	ErrTooLarge = errors.New("krl: the list is too large")
	ErrStatus   = errors.New("krl: the server did not answer with a list")
)

// leeway is how far clocks may differ.
const leeway = time.Minute

// Fetch gets the list and puts it into the file at path, in one step and durably, unless it is there already.
// Whatever goes wrong, the file stays as it was.
func (f *Fetcher) Fetch(ctx context.Context, path string) (*Outcome, error) {
	old, err := f.present(path)
	if err != nil {
		return nil, err
	}
	b, err := f.get(ctx)
	if err != nil {
		return nil, err
	}
	l, err := f.read(b)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	switch age := now.Sub(l.Generated); {
	case age > cmp.Or(f.MaxAge, time.Hour), age < -leeway:
		return nil, fmt.Errorf("%w: it is of %s", ErrStale, l.Generated.Format(time.RFC3339))
	case old != nil && (l.Version < old.Version || l.Generated.Before(old.Generated)):
		return nil, fmt.Errorf("%w: version %d of %s, after version %d of %s", ErrRollback,
			l.Version, l.Generated.Format(time.RFC3339), old.Version, old.Generated.Format(time.RFC3339))
	}
	o := &Outcome{Version: l.Version, Generated: l.Generated, Entries: l.Len()}
	if old != nil && equal(old, l) {
		return o, nil
	}
	o.Updated = true
	return o, replace(path, b)
}

func (f *Fetcher) read(b []byte) (*List, error) {
	if len(f.Keys) == 0 {
		return Parse(b)
	}
	return Verify(b, f.Keys...)
}

// present reads the list that is there; nil for none. A file that is no list stands in the way: it may be
// sshd's way of refusing everybody, and is for people to look at.
func (f *Fetcher) present(path string) (*List, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("krl: %w", err)
	}
	l, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("krl: %s: %w", path, err)
	}
	return l, nil
}

func (f *Fetcher) get(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("krl: %w", err)
	}
	w, err := f.Client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("krl: %w", err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w, but with %s", ErrStatus, w.Status)
	}
	limit := cmp.Or(f.MaxBytes, int64(Max))
	b, err := io.ReadAll(io.LimitReader(w.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("krl: %w", err)
	case int64(len(b)) > limit:
		return nil, ErrTooLarge
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
