package inventory

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
)

// watcher is the queue of one Watch: at most one change per entity, so it never holds more than the
// inventory has entities and never makes a writer wait.
type watcher struct {
	mu      sync.Mutex
	pending map[string]Change
	order   []string      // IDs, oldest first; some may not be pending any more
	ready   chan struct{} // holds one token while there may be something to do
}

func newWatcher() *watcher {
	return &watcher{pending: map[string]Change{}, ready: make(chan struct{}, 1)}
}

func (w *watcher) add(c Change) {
	id := idOf(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, ok := w.pending[id]; ok {
		c.Old = p.Old
		if c.Old == nil && c.New == nil { // came and went
			delete(w.pending, id)
			w.compact()
			return
		}
		w.pending[id] = c
		return
	}
	w.pending[id] = c
	w.order = append(w.order, id)
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// compact drops IDs that are not pending once they are the greater part.
func (w *watcher) compact() {
	if len(w.order) > 2*len(w.pending)+16 {
		w.order = slices.DeleteFunc(w.order, func(id string) bool { _, ok := w.pending[id]; return !ok })
	}
}

func (w *watcher) next() (Change, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.order) > 0 {
		id := w.order[0]
		w.order = w.order[1:]
		if c, ok := w.pending[id]; ok {
			delete(w.pending, id)
			return c, true
		}
	}
	return Change{}, false
}

func (w *watcher) run(ctx context.Context, fn func(Change)) error {
	for {
		for c, ok := w.next(); ok; c, ok = w.next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			fn(Change{Old: c.Old.Clone(), New: c.New.Clone(), Time: c.Time})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.ready:
		}
	}
}

func idOf(c Change) string {
	if c.New != nil {
		return c.New.ID
	}
	return c.Old.ID
}

func same(a, b *Entity) bool { return reflect.DeepEqual(a, b) }

// joined reports the first faults; a file that is wrong throughout would fill a log.
func joined(faults []error) error {
	if n := len(faults) - maxFaults; n > 0 {
		faults = append(faults[:maxFaults:maxFaults], errors.New("and more"))
	}
	return errors.Join(faults...)
}

const maxFaults = 20
