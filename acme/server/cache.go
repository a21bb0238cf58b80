package server

import (
	"sync"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/envelope"
)

// cache remembers what was seen lately, so that the store need not be asked what a write will check in any case. It
// holds a bounded number of values, which are not changed once they are in it.
type cache[T any] struct {
	mu       sync.Mutex
	now, old map[string]T
}

// cached is how many values each of two generations has.
const cached = 4096

func newCache[T any]() *cache[T] { return &cache[T]{now: map[string]T{}} }

func (c *cache[T]) get(id string) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.now[id]
	if !ok {
		v, ok = c.old[id]
	}
	return v, ok
}

func (c *cache[T]) put(id string, v T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.now) >= cached {
		c.now, c.old = map[string]T{}, c.now
	}
	c.now[id] = v
}

func (c *cache[T]) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.now, id)
	delete(c.old, id)
}

// known is an authorization, or an issued order with its certificate, as it was seen last.
type known struct {
	authz *acme.Authorization
	order *acme.Order
	chain []byte // PEM
	more  int    // other chains
}

// holder is an account with its key read.
type holder struct {
	*acme.Account
	key *envelope.Key
}

// meet remembers an account.
func (s *Server) meet(a *acme.Account) (*holder, error) {
	key, err := envelope.ParseKey(a.Key)
	if err != nil {
		return nil, &acme.Problem{Type: acme.ServerInternal, Cause: err} // what the store has was ours
	}
	h := &holder{a, key}
	s.accounts.put(a.ID, h)
	return h, nil
}
