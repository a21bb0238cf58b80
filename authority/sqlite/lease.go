package sqlite

import (
	"context"
	"sync"

	"github.com/chancery-ca/chancery/authority"
)

// leases are the names that somebody holds. The file belongs to this process alone, so memory will do:
// what ends with the process is held by nobody.
type leases struct {
	mu   sync.Mutex
	held map[string]bool
}

func (l *leases) take(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[name] {
		return false
	}
	if l.held == nil {
		l.held = map[string]bool{}
	}
	l.held[name] = true
	return true
}

func (l *leases) free(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, name)
}

// Lease implements authority.Store. It ends when the store closes.
func (s *Store) Lease(ctx context.Context, name string) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := s.refuse(); err != nil {
		return nil, nil, err
	}
	if !s.leases.take(name) {
		return nil, nil, authority.ErrHeld
	}
	held, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(authority.ErrClosed) })
	var once sync.Once
	return held, func() {
		once.Do(func() {
			stop()
			cancel(nil)
			s.leases.free(name)
		})
	}, nil
}
