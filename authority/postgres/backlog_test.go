package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/internal/pgtest"
)

// A transaction of somebody else in the cluster stays open, so no event is delivered. A mandatory sink is behind
// all the same, and issuing is held.
func TestBacklogSeesWhatIsHidden(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	s := open(t, url)
	var sink eventtest.Recorder
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Store, c.Outbox = s, []authority.Delivery{{Name: "audit", Sink: &sink, HoldAfter: time.Second}}
	})
	slow, err := connect(t, url).Begin(ctx)
	require.NoError(t, err)
	defer slow.Rollback(ctx)
	_, err = slow.Exec(ctx, "SELECT pg_current_xact_id()")
	require.NoError(t, err)
	ca.Leaf("a.internal") // nobody runs the pump: this event is not delivered
	time.Sleep(1500 * time.Millisecond)
	require.Empty(t, sink.Events())
	lag, err := ca.Authority.Lag(ctx, "audit")
	require.NoError(t, err)
	require.Greater(t, lag, time.Second)
	_, err = ca.Try(&authority.Request{Token: ca.Token("b.internal", "b.internal")})
	require.ErrorIs(t, err, authority.Unavailable)
}
