package inventory_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/inventory/inventorytest"
)

func document(t *testing.T, entities ...*inventory.Entity) string {
	b, err := json.MarshalIndent(map[string]any{"entities": append([]*inventory.Entity{}, entities...)}, "", "  ")
	require.NoError(t, err)
	return string(b)
}

func TestFile(t *testing.T) {
	inventorytest.Run(t, func(t *testing.T, entities ...*inventory.Entity) inventory.Inventory {
		path := filepath.Join(t.TempDir(), "inventory.json")
		require.NoError(t, os.WriteFile(path, []byte(document(t, entities...)), 0o600))
		f, err := inventory.OpenFile(t.Context(), path, nil)
		require.NoError(t, err)
		return f
	})
}

func TestOpenFileFails(t *testing.T) {
	dir := t.TempDir()
	_, err := inventory.OpenFile(t.Context(), filepath.Join(dir, "none.json"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = inventory.OpenFile(t.Context(), dir, nil)
	require.ErrorContains(t, err, "not a regular file")
	path := filepath.Join(dir, "bad.json")
	require.NoError(t, os.WriteFile(path, []byte("{\n\n  nonsense\n}"), 0o600))
	_, err = inventory.OpenFile(t.Context(), path, nil)
	require.ErrorContains(t, err, path+": line 3: ")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = inventory.OpenFile(ctx, path, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// followed is a file with a Run behind it.
type followed struct {
	*inventory.File
	t    *testing.T
	path string

	mu   sync.Mutex
	errs []error
}

func follow(t *testing.T, content string) *followed {
	f := &followed{t: t, path: filepath.Join(t.TempDir(), "inventory.json")}
	f.write(content)
	file, err := inventory.OpenFile(t.Context(), f.path, &inventory.FileOptions{Interval: 5 * time.Millisecond, OnError: func(err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errs = append(f.errs, err)
	}})
	require.NoError(t, err)
	f.File = file
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- file.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
	return f
}

func (f *followed) write(content string) {
	require.NoError(f.t, os.WriteFile(f.path, []byte(content), 0o600))
}

// replace does what editors and configuration tools do.
func (f *followed) replace(content string) {
	require.NoError(f.t, os.WriteFile(f.path+".new", []byte(content), 0o600))
	require.NoError(f.t, os.Rename(f.path+".new", f.path))
}

func (f *followed) ids() string {
	p, err := f.List(f.t.Context(), inventory.Filter{})
	require.NoError(f.t, err)
	var ids []string
	for _, e := range p.Entities {
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, " ")
}

func (f *followed) reported() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]error(nil), f.errs...)
}

func (f *followed) becomes(want string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return f.ids() == want }, 10*time.Second, time.Millisecond, want)
}

func (f *followed) reports(n int) error {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return len(f.reported()) >= n }, 10*time.Second, time.Millisecond)
	time.Sleep(50 * time.Millisecond) // several looks later it is still that many
	require.Len(f.t, f.reported(), n)
	return f.reported()[n-1]
}

func e(id string) *inventory.Entity {
	return &inventory.Entity{ID: id, Kind: inventory.Host, Active: true}
}

func TestFileFollows(t *testing.T) {
	f := follow(t, document(t, e("a")))
	require.Equal(t, "a", f.ids())
	f.replace(document(t, e("b"))) // the same size
	f.becomes("b")
	f.replace(document(t, e("a"), e("c")))
	f.becomes("a c")

	good := document(t, e("a"), e("d"))
	f.replace(good[:len(good)/2])
	require.ErrorContains(t, f.reports(1), f.path+": line ")
	require.Equal(t, "a c", f.ids())
	f.replace(good)
	f.becomes("a d")

	f.replace(good[:len(good)/2]) // bad again, so told again
	f.reports(2)
	f.replace("")
	f.reports(3)
	require.Equal(t, "a d", f.ids())

	require.NoError(t, os.Remove(f.path))
	require.ErrorIs(t, f.reports(4), os.ErrNotExist)
	require.Equal(t, "a d", f.ids())
	require.ErrorIs(t, f.Reload(), os.ErrNotExist)
	f.replace(document(t, e("z")))
	f.becomes("z")
	require.Len(t, f.reported(), 4)
}

// A file that is written in place goes through states that are no inventory.
func TestFileWrittenInPlace(t *testing.T) {
	f := follow(t, document(t, e("a")))
	for range 20 {
		f.write(document(t, e("b"), e("c")))
		f.becomes("b c")
		f.write(document(t, e("b"), e("d"))) // the same size within one tick of the clock
		f.becomes("b d")
	}
}

func TestFileReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.json")
	require.NoError(t, os.WriteFile(path, []byte(document(t, e("a"))), 0o600))
	f, err := inventory.OpenFile(t.Context(), path, nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(document(t, e("b"), e("b"))), 0o600))
	require.ErrorIs(t, f.Reload(), inventory.ErrConflict)
	require.ErrorIs(t, f.Reload(), inventory.ErrConflict, "said each time it is asked")
	p, err := f.List(t.Context(), inventory.Filter{})
	require.NoError(t, err)
	require.Equal(t, e("a"), p.Entities[0])
	require.NoError(t, os.WriteFile(path, []byte(document(t, e("b"))), 0o600))
	require.NoError(t, f.Reload())
	p, err = f.List(t.Context(), inventory.Filter{})
	require.NoError(t, err)
	require.Equal(t, e("b"), p.Entities[0])
}

func TestFileWatch(t *testing.T) {
	f := follow(t, document(t, e("a"), e("b"), e("same")))
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan inventory.Change, 10)
	done := make(chan error, 1)
	go func() { done <- f.Watch(ctx, func(c inventory.Change) { changes <- c }) }()
	time.Sleep(50 * time.Millisecond)
	gone := e("b")
	gone.Active = false
	f.write(document(t, gone, e("c"), e("same")))
	got := map[string]inventory.Change{}
	for range 3 {
		c := <-changes
		if c.New != nil {
			got[c.New.ID] = c
		} else {
			got[c.Old.ID] = c
		}
	}
	require.Nil(t, got["a"].New)
	require.True(t, got["b"].Old.Active)
	require.False(t, got["b"].New.Active)
	require.Nil(t, got["c"].Old)
	cancel()
	require.True(t, errors.Is(<-done, context.Canceled))
	require.Empty(t, changes)
}
