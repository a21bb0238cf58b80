package ocsp

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps answers to single questions by the DER of their CertID. The least recently asked goes first.
type cache struct {
	most int

	mu     sync.Mutex
	byID   map[string]*list.Element
	recent list.List // of *entry, the last asked in front
}

// entry is an answer that was signed.
type entry struct {
	id     certID
	issuer issuerID // of SHA-256; that of id may be another
	answer *answer
	asked  time.Time // the last time
	signed time.Time // wall clock of the making of answer
}

func newCache(most int) *cache { return &cache{most: most, byID: map[string]*list.Element{}} }

// get returns the answer kept for a question, and nil if there is none.
func (c *cache) get(id certID, now time.Time) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id.raw]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	v := e.Value.(*entry)
	v.asked = now
	return v.answer
}

// put keeps an answer in the place of the one before, if it is not older. Signing ahead is not asking: it
// leaves the order alone, and puts nothing that was dropped meanwhile.
func (c *cache) put(id certID, i *issuer, a *answer, ahead bool) {
	if c.most < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[id.raw]; e != nil {
		if v := e.Value.(*entry); !a.producedAt.Before(v.answer.producedAt) {
			v.answer, v.signed = a, a.producedAt
		}
		return
	}
	if ahead {
		return
	}
	c.byID[id.raw] = c.recent.PushFront(&entry{id: id, issuer: i.id, answer: a, asked: a.producedAt, signed: a.producedAt})
	for len(c.byID) > c.most {
		c.drop(c.recent.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	delete(c.byID, e.Value.(*entry).id.raw)
	c.recent.Remove(e)
}

// due returns the entries whose answer will be stale at a moment and was asked for since it was signed, and
// drops those that nobody can use any more.
func (c *cache) due(now, moment time.Time) (out []entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.recent.Front(); e != nil; {
		next := e.Next()
		switch v := e.Value.(*entry); {
		case !now.Before(v.answer.nextUpdate):
			c.drop(e)
		case !moment.Before(v.answer.staleAt) && v.asked.After(v.signed):
			out = append(out, *v)
		}
		e = next
	}
	return out
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byID)
}
