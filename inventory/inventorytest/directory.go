package inventorytest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/inventory"
)

// RunDirectory tests a directory. open returns an empty one.
func RunDirectory(t *testing.T, open func(t *testing.T) inventory.Directory) {
	Run(t, func(t *testing.T, entities ...*inventory.Entity) inventory.Inventory {
		return filled(t, open, entities...)
	})
	t.Run("Put", func(t *testing.T) { runPut(t, open) })
	t.Run("Conflict", func(t *testing.T) { runConflict(t, open) })
	t.Run("Invalid", func(t *testing.T) { runInvalid(t, open) })
	t.Run("Delete", func(t *testing.T) { runDelete(t, open) })
	t.Run("WriteCancelled", func(t *testing.T) { runWriteCancelled(t, open) })
	t.Run("ListWhileChanging", func(t *testing.T) { runListWhileChanging(t, open) })
	t.Run("Watch", func(t *testing.T) { runWatch(t, open) })
	t.Run("SlowWatcher", func(t *testing.T) { runSlowWatcher(t, open) })
	t.Run("ConcurrentWriters", func(t *testing.T) { runWriters(t, open) })
}

type opener = func(t *testing.T) inventory.Directory

func filled(t *testing.T, open opener, entities ...*inventory.Entity) inventory.Directory {
	d := open(t)
	for _, e := range entities {
		require.NoError(t, d.Put(t.Context(), e))
	}
	return d
}

func host(id string, names ...string) *inventory.Entity {
	e := &inventory.Entity{ID: id, Kind: inventory.Host, Active: true}
	for _, n := range names {
		e.Identifiers = append(e.Identifiers, inventory.Identifier{Kind: "hostname", Value: n})
	}
	return e
}

func find(t *testing.T, d inventory.Inventory, name string) string {
	t.Helper()
	e, err := d.Lookup(t.Context(), query("hostname", name))
	if err != nil {
		require.ErrorIs(t, err, inventory.ErrNotFound)
		return ""
	}
	return e.ID
}

func runPut(t *testing.T, open opener) {
	d := filled(t, open, Samples()...)
	require.NoError(t, d.Put(t.Context(), Samples()[0]), "the same again")
	e := host("host-1", "new.internal")
	require.NoError(t, d.Put(t.Context(), e))
	got, err := d.Lookup(t.Context(), query("hostname", "new.internal"))
	require.NoError(t, err)
	require.Equal(t, e, got, "replaced whole: no group, tag or name of before")
	require.Empty(t, find(t, d, "web.internal"), "an identifier that was taken away")
	require.NoError(t, d.Put(t.Context(), host("host-9", "web.internal")), "an identifier that is free again")
	require.Equal(t, "host-9", find(t, d, "web.internal"))
}

func runConflict(t *testing.T, open opener) {
	d := filled(t, open, host("a", "a.internal"), host("b", "b.internal"))
	for _, e := range []*inventory.Entity{host("a", "a2.internal", "b.internal"), host("c", "c.internal", "b.internal"), host("c", "c.internal", "B.Internal")} {
		require.ErrorIs(t, d.Put(t.Context(), e), inventory.ErrConflict)
	}
	require.Equal(t, []*inventory.Entity{host("a", "a.internal"), host("b", "b.internal")}, list(t, d, inventory.Filter{}))
	for name, want := range map[string]string{"a.internal": "a", "b.internal": "b", "a2.internal": "", "c.internal": ""} {
		require.Equal(t, want, find(t, d, name))
	}
}

func runInvalid(t *testing.T, open opener) {
	d := filled(t, open, host("a", "a.internal"))
	for name, spoil := range map[string]func(e *inventory.Entity){
		"no id":             func(e *inventory.Entity) { e.ID = "" },
		"id with a space":   func(e *inventory.Entity) { e.ID = "a b" },
		"id with a slash":   func(e *inventory.Entity) { e.ID = "../a" },
		"no kind":           func(e *inventory.Entity) { e.Kind = "" },
		"unknown kind":      func(e *inventory.Entity) { e.Kind = "robot" },
		"empty identifier":  func(e *inventory.Entity) { e.Identifiers[0].Value = "" },
		"identifier's kind": func(e *inventory.Entity) { e.Identifiers[0].Kind = "" },
		"twice":             func(e *inventory.Entity) { e.Identifiers = append(e.Identifiers, e.Identifiers[0]) },
		"line break":        func(e *inventory.Entity) { e.Name = "a\nb" },
		"not UTF-8":         func(e *inventory.Entity) { e.Groups = []string{"a\xff"} },
		"empty group":       func(e *inventory.Entity) { e.Groups = []string{""} },
		"tag with =":        func(e *inventory.Entity) { e.Tags = map[string]string{"a=b": "c"} },
		"ip":                func(e *inventory.Entity) { e.IPs = []string{"10.0.0"} },
		"principal list":    func(e *inventory.Entity) { e.Principals = []string{"alice,root"} },
		"passwd line":       func(e *inventory.Entity) { e.POSIX = &inventory.POSIX{User: "a", Home: "/a:/bin/sh"} },
		"no JSON":           func(e *inventory.Entity) { e.Attributes = map[string]any{"f": func() {}} },
	} {
		e := host("a", "new.internal")
		spoil(e)
		require.ErrorIs(t, d.Put(t.Context(), e), inventory.ErrInvalid, name)
	}
	require.ErrorIs(t, d.Put(t.Context(), nil), inventory.ErrInvalid)
	require.Equal(t, []*inventory.Entity{host("a", "a.internal")}, list(t, d, inventory.Filter{}))
}

func runDelete(t *testing.T, open opener) {
	d := filled(t, open, host("a", "a.internal"), host("b", "b.internal"))
	require.NoError(t, d.Delete(t.Context(), "a"))
	require.ErrorIs(t, d.Delete(t.Context(), "a"), inventory.ErrNotFound)
	require.ErrorIs(t, d.Delete(t.Context(), ""), inventory.ErrNotFound)
	require.Empty(t, find(t, d, "a.internal"))
	require.Equal(t, []string{"b"}, ids(list(t, d, inventory.Filter{})))
	require.NoError(t, d.Put(t.Context(), host("c", "a.internal")))
}

func runWriteCancelled(t *testing.T, open opener) {
	d := filled(t, open, host("a", "a.internal"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Put(ctx, host("b")), context.Canceled)
	require.ErrorIs(t, d.Delete(ctx, "a"), context.Canceled)
	require.ErrorIs(t, d.Watch(ctx, func(inventory.Change) {}), context.Canceled)
	require.Equal(t, []string{"a"}, ids(list(t, d, inventory.Filter{})))
}

// Whoever stays is seen once, though others come and go, the one that the cursor stands on among them.
func runListWhileChanging(t *testing.T, open opener) {
	d := filled(t, open, host("b"), host("d"), host("f"), host("h"))
	p, err := d.List(t.Context(), inventory.Filter{Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []string{"b", "d"}, ids(p.Entities))
	require.NoError(t, d.Delete(t.Context(), "d"))
	require.NoError(t, d.Put(t.Context(), host("a")))
	require.NoError(t, d.Put(t.Context(), host("g")))
	require.Equal(t, []string{"f", "g", "h"}, ids(list(t, d, inventory.Filter{Limit: 2, Cursor: p.Next})))
}

// watch starts a watcher and returns once it sees changes; stop ends it.
func watch(t *testing.T, d inventory.Directory, fn func(inventory.Change)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		done <- d.Watch(ctx, func(c inventory.Change) {
			if id(c) == "probe" {
				once.Do(func() { close(ready) })
				return
			}
			fn(c)
		})
	}()
	for on := true; on; {
		require.NoError(t, d.Put(t.Context(), host("probe")))
		require.NoError(t, d.Delete(t.Context(), "probe"))
		require.NoError(t, d.Put(t.Context(), host("probe")))
		select {
		case <-ready:
			on = false
		case <-time.After(5 * time.Millisecond):
		case err := <-done:
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
}

func id(c inventory.Change) string {
	if c.New != nil {
		return c.New.ID
	}
	return c.Old.ID
}

func runWatch(t *testing.T, open opener) {
	d := filled(t, open, host("a", "a.internal"))
	changes := make(chan inventory.Change, 10)
	stop := watch(t, d, func(c inventory.Change) { changes <- c })
	next := func() inventory.Change {
		select {
		case c := <-changes:
			require.False(t, c.Time.IsZero())
			return c
		case <-time.After(10 * time.Second):
			t.Fatal("no change was told")
			return inventory.Change{}
		}
	}
	require.NoError(t, d.Put(t.Context(), host("b", "b.internal")))
	c := next()
	require.Nil(t, c.Old)
	require.Equal(t, host("b", "b.internal"), c.New)
	c.New.Identifiers[0].Value = "spoilt"

	require.NoError(t, d.Put(t.Context(), host("b", "b2.internal")))
	c = next()
	require.Equal(t, host("b", "b.internal"), c.Old)
	require.Equal(t, host("b", "b2.internal"), c.New)

	require.ErrorIs(t, d.Put(t.Context(), host("c", "b2.internal")), inventory.ErrConflict) // not told
	require.NoError(t, d.Delete(t.Context(), "b"))
	c = next()
	require.Equal(t, host("b", "b2.internal"), c.Old)
	require.Nil(t, c.New)
	stop()
	require.NoError(t, d.Put(t.Context(), host("b")))
	require.Empty(t, changes)
}

// A watcher that does not come back makes nobody wait, and still learns what is so in the end.
func runSlowWatcher(t *testing.T, open opener) {
	d := filled(t, open)
	release, end := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	known := map[string]*inventory.Entity{}
	stop := watch(t, d, func(c inventory.Change) {
		<-release
		mu.Lock()
		defer mu.Unlock()
		if id(c) == "end" {
			close(end)
			return
		}
		if known[id(c)] == nil {
			assert.Nil(t, c.Old)
		} else {
			assert.Equal(t, known[id(c)], c.Old, "Old is what was told last")
		}
		known[id(c)] = c.New
	})
	for n := range 300 {
		for _, id := range []string{"a", "b", "c"} {
			require.NoError(t, d.Put(t.Context(), host(id, fmt.Sprintf("%s%d.internal", id, n))))
		}
	}
	require.NoError(t, d.Delete(t.Context(), "b"))
	require.NoError(t, d.Put(t.Context(), host("end")))
	close(release)
	select {
	case <-end:
	case <-time.After(10 * time.Second):
		t.Fatal("the watcher was not told of the last change")
	}
	stop()
	require.Equal(t, host("a", "a299.internal"), known["a"])
	require.Nil(t, known["b"])
	require.Equal(t, host("c", "c299.internal"), known["c"])
}

// Many want the same identifier; one has it, and what was put is what is found.
func runWriters(t *testing.T, open opener) {
	d := filled(t, open)
	const workers = 6
	var wg sync.WaitGroup
	won := make(chan string, workers)
	for w := range workers {
		wg.Go(func() {
			me := fmt.Sprintf("w%d", w)
			switch err := d.Put(t.Context(), host(me, "wanted.internal")); {
			case err == nil:
				won <- me
			case !errors.Is(err, inventory.ErrConflict):
				t.Error(err)
			}
			for i := range 10 {
				if err := d.Put(t.Context(), host(fmt.Sprintf("%s-%d", me, i), fmt.Sprintf("%s-%d.internal", me, i))); err != nil {
					t.Error(err)
				}
				if _, err := d.List(t.Context(), inventory.Filter{Limit: 5}); err != nil {
					t.Error(err)
				}
				if i%2 == 1 {
					if err := d.Delete(t.Context(), fmt.Sprintf("%s-%d", me, i)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, won, 1)
	require.Equal(t, <-won, find(t, d, "wanted.internal"))
	require.Len(t, list(t, d, inventory.Filter{Limit: 7}), workers*5+1)
}
