package inventory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// maxFile is the most that is read of an inventory file.
const maxFile = 64 << 20

// File is an inventory in a JSON file, which [Parse] describes. It can be looked up, listed and watched;
// it is changed by changing the file. A file that is not good changes nothing: what was read last goes on
// being served. It is safe for concurrent use.
type File struct {
	path string
	opts FileOptions
	mem  *Memory

	mu  sync.Mutex        // held while loading
	now state             // what mem holds
	bad [sha256.Size]byte // the content reported last
}

var _ interface {
	Inventory
	Lister
	Watcher
} = (*File)(nil)

// FileOptions says how a File follows its file. A nil one is the zero value.
type FileOptions struct {
	// OnError is told, by Run, of a file that cannot be used: once for each bad content, and once it has
	// been the same for two looks, so that a file being written is not reported. It runs in Run's goroutine.
	OnError func(error)

	// Interval is the time between looks; default 2s.
	Interval time.Duration
}

var errKnown = errors.New("inventory: the file is as bad as before")

// state identifies what was read.
type state struct {
	info os.FileInfo
	sum  [sha256.Size]byte
	read time.Time
}

// OpenFile reads the file. It starts nothing: [File.Run] follows changes.
func OpenFile(ctx context.Context, path string, o *FileOptions) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := NewMemory()
	if err != nil {
		return nil, err
	}
	f := &File{path: path, mem: m}
	if o != nil {
		f.opts = *o
	}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Lookup returns the first entity that one of the identifiers names.
func (f *File) Lookup(ctx context.Context, q Query) (*Entity, error) { return f.mem.Lookup(ctx, q) }

// List returns a page of entities.
func (f *File) List(ctx context.Context, q Filter) (*Page, error) { return f.mem.List(ctx, q) }

// Watch tells fn what each change of the file did, until ctx ends.
func (f *File) Watch(ctx context.Context, fn func(Change)) error { return f.mem.Watch(ctx, fn) }

// Reload reads the file now. It takes all of it or, with an error, nothing.
func (f *File) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.load([sha256.Size]byte{})
	return err
}

// Run follows the file until ctx ends, and returns ctx's error. It looks at name, size and time, and at
// the content where those cannot tell.
func (f *File) Run(ctx context.Context) error {
	interval := f.opts.Interval
	if interval <= 0 {
		interval = 2 * time.Second
	}
	t := time.NewTicker(interval)
	defer t.Stop()
	var before [sha256.Size]byte // the bad content of the look before
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			before = f.look(before)
		}
	}
}

// look loads the file if it has changed. It returns the sum of what was bad this time, which is reported
// if it was the same the time before.
func (f *File) look(before [sha256.Size]byte) [sha256.Size]byte {
	f.mu.Lock()
	if f.unchanged() {
		f.bad = [sha256.Size]byte{}
		f.mu.Unlock()
		return f.bad
	}
	sum, err := f.load(f.bad)
	report := false
	if err == nil {
		sum, f.bad = [sha256.Size]byte{}, [sha256.Size]byte{}
	} else if report = sum == before && sum != f.bad; report {
		f.bad = sum
	}
	f.mu.Unlock()
	if report && f.opts.OnError != nil {
		f.opts.OnError(err)
	}
	return sum
}

// unchanged reports whether the file is certainly what was read last. A file that was changed shortly
// before it was read may have changed again within the same tick of the file system's clock.
func (f *File) unchanged() bool {
	i, err := os.Stat(f.path)
	was := f.now.info
	return err == nil && os.SameFile(i, was) && i.Size() == was.Size() && i.ModTime().Equal(was.ModTime()) &&
		f.now.read.Sub(was.ModTime()) > 3*time.Second
}

// load reads the file into f.mem, or returns [errKnown] if its content is the one known to be bad. The
// sum identifies what was read, or the error where nothing was.
func (f *File) load(bad [sha256.Size]byte) ([sha256.Size]byte, error) {
	began := time.Now()
	data, info, err := readFile(f.path)
	if err != nil {
		err = fmt.Errorf("inventory: reading the file: %w", err)
		return sha256.Sum256([]byte("error: " + err.Error())), err
	}
	sum := sha256.Sum256(data)
	if f.now.info != nil && sum == f.now.sum {
		f.now = state{info, sum, began}
		return sum, nil
	}
	if sum == bad {
		return sum, errKnown
	}
	entities, err := Parse(data)
	if err != nil {
		return sum, fmt.Errorf("inventory: %s: %w", f.path, err)
	}
	if err := f.mem.replace(entities); err != nil {
		return sum, fmt.Errorf("inventory: %s: %w", f.path, err)
	}
	f.now = state{info, sum, began}
	return sum, nil
}

// readFile reads a regular file; anything else could block for ever.
func readFile(path string) ([]byte, os.FileInfo, error) {
	i, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !i.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if i, err = file.Stat(); err != nil { // before the content: what changes after is seen at the next look
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxFile {
		return nil, nil, errors.New(path + ": longer than 64 MiB")
	}
	return b, i, nil
}
