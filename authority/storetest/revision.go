package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// revisionConcurrent holds a store to both halves of what Revision says, while several write.
func revisionConcurrent(t *testing.T, s authority.Store) {
	ctx := context.Background()
	const writers, each = 8, 12
	for n := range writers * each {
		r := Record(n)
		r.Issuer = fmt.Sprint("issuer ", n%writers)
		require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := w; n < writers*each; n += writers {
				if err := revokeAndLook(s, n, fmt.Sprint("issuer ", w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); wg.Wait() }()
	type look struct {
		revision int64
		seen     map[authority.Serial]int64
	}
	var looks []look
	for more := true; more && len(looks) < 200; {
		select {
		case <-done:
			more = false
		default:
		}
		revision, err := s.Revision(ctx)
		require.NoError(t, err)
		looks = append(looks, look{revision, revisions(t, s, writers)})
	}
	<-done
	for serial, revision := range revisions(t, s, writers) {
		for _, l := range looks {
			if revision <= l.revision {
				require.Equal(t, revision, l.seen[serial], "not visible, though its revision was not above %d", l.revision)
			}
		}
	}
	require.Len(t, revisions(t, s, writers), writers*each)
}

// revokeAndLook revokes, and checks that the revision of the change is above the one before it began.
func revokeAndLook(s authority.Store, n int, issuer string) error {
	ctx := context.Background()
	before, err := s.Revision(ctx)
	if err != nil {
		return err
	}
	if err := s.Revoke(ctx, revocation(n), nil, provisioner.Spend{}, nil); err != nil {
		return err
	}
	p, err := s.Changes(ctx, authority.ChangeQuery{Issuer: issuer})
	if err != nil {
		return err
	}
	for _, c := range p.Changes {
		if c.Serial == serial(n) {
			if c.Revision <= before {
				return fmt.Errorf("change %d was made after revision %d", c.Revision, before)
			}
			return nil
		}
	}
	return fmt.Errorf("%d is not there after Revoke", n)
}

func revisions(t *testing.T, s authority.Store, issuers int) map[authority.Serial]int64 {
	t.Helper()
	out := map[authority.Serial]int64{}
	for n := range issuers {
		p, err := s.Changes(context.Background(), authority.ChangeQuery{Issuer: fmt.Sprint("issuer ", n)})
		require.NoError(t, err)
		for _, c := range p.Changes {
			out[c.Serial] = c.Revision
		}
	}
	return out
}
