package authority

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chancery-ca/chancery/inventory"
)

// ReasonPrivilegeWithdrawn is what certificates of somebody are revoked for who is not active any more (RFC
// 5280, section 5.3.1).
const ReasonPrivilegeWithdrawn = 9

// offboarding revokes what an entity has when the inventory says that it is not active any more, or has
// gone. It is work of [Authority.Run]; on several nodes each does it, and the first one is in time.
type offboarding struct {
	watcher inventory.Watcher
	lister  inventory.Lister // nil: what happened while nobody watched is not noticed
}

var errNoWatcher = errors.New("authority: offboarding needs an inventory that can be watched")

// newOffboarding finds out whether the inventory can tell of changes.
func newOffboarding(i inventory.Inventory) (*offboarding, error) {
	w, ok := inventory.As[inventory.Watcher](i)
	if !ok {
		return nil, errNoWatcher
	}
	l, _ := inventory.As[inventory.Lister](i)
	return &offboarding{w, l}, nil
}

// offboardRetry is how long to wait before somebody's certificates are looked for again, after a failure.
const offboardRetry = 5 * time.Second

// Work implements [Worker].
func (o *offboarding) Work(ctx context.Context, a *Authority) error {
	left := make(chan string, 64)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return o.watcher.Watch(ctx, func(c inventory.Change) {
			if c.Old == nil || !c.Old.Active || c.New != nil && c.New.Active {
				return
			}
			select {
			case left <- c.Old.ID:
			case <-ctx.Done():
			}
		})
	})
	g.Go(func() error {
		o.follow(ctx, a, left)
		return nil
	})
	return g.Wait()
}

// follow deals with those who have left, until ctx ends. Whoever it could not deal with has another turn.
func (o *offboarding) follow(ctx context.Context, a *Authority, left <-chan string) {
	failed := o.before(ctx, a)
	retry := time.NewTicker(offboardRetry)
	defer retry.Stop()
	for {
		var now []string
		select {
		case <-ctx.Done():
			return
		case id := <-left:
			now = []string{id}
		case <-retry.C:
			now, failed = failed, nil
		}
		for _, id := range now {
			if !a.offboard(ctx, id) {
				failed = append(failed, id)
			}
		}
	}
}

// before goes through those who are not active already: it may have happened while nobody watched.
func (o *offboarding) before(ctx context.Context, a *Authority) (failed []string) {
	if o.lister == nil {
		return nil
	}
	no := false
	for f := (inventory.Filter{Active: &no, Limit: 1000}); ctx.Err() == nil; {
		page, err := o.lister.List(ctx, f)
		if err != nil {
			a.snapshot.Load().log().ErrorContext(ctx, "inventory not listed", "error", err)
			return failed
		}
		for _, e := range page.Entities {
			if !a.offboard(ctx, e.ID) {
				failed = append(failed, e.ID)
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	return failed
}

// offboard revokes everything that an entity has.
func (a *Authority) offboard(ctx context.Context, id string) bool {
	_, err := a.RevokeAll(ctx, &RevokeAllRequest{
		Query: Query{Entity: id}, ReasonCode: ReasonPrivilegeWithdrawn, Reason: "not active in the inventory any more", By: "inventory",
	})
	if err != nil && ctx.Err() == nil {
		a.snapshot.Load().log().ErrorContext(ctx, "certificates not revoked, will be tried again", "entity", id, "error", err)
	}
	return err == nil
}
