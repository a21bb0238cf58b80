package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// crashChild reserves, commits and revokes with 16 goroutines until it is killed, and prints what was
// acknowledged.
func crashChild(url string) {
	s, err := postgres.Open(ctx, url, nil)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	var out printer
	out.line("opened")
	base := rand.IntN(1 << 40)
	for g := range 16 {
		go func() {
			for n := base + g; ; n += 16 {
				if err := crashRound(s, &out, n); err != nil {
					out.line("failed %v", err)
				}
			}
		}()
	}
	select {}
}

// freshRecord is Record(n), made just now.
func freshRecord(n int) *authority.Record {
	r := storetest.Record(n)
	r.NotBefore, r.NotAfter, r.ReservedAt = time.Now(), time.Now().Add(time.Hour), time.Now()
	return r
}

func crashRound(s *postgres.Store, out *printer, n int) error {
	r := freshRecord(n)
	spend := provisioner.Spend{ID: fmt.Sprint("token-", n), Until: time.Now().Add(time.Hour)}
	if err := s.Reserve(ctx, r, spend); err != nil {
		return err
	}
	out.line("reserved %s %s", r.Serial, spend.ID)
	if n%10 == 0 {
		if err := s.Abandon(ctx, r.Serial, false, time.Now(), nil); err != nil {
			return err
		}
		out.line("abandoned %s", r.Serial)
		return nil
	}
	if err := s.Commit(ctx, r.Serial, storetest.Certificate(r.TBS), time.Now(), posts(string(r.Serial))); err != nil {
		return err
	}
	out.line("issued %s", r.Serial)
	if n%4 == 0 {
		if err := s.Revoke(ctx, &authority.Revocation{Serial: r.Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil); err != nil {
			return err
		}
		out.line("revoked %s", r.Serial)
	}
	return nil
}

// posts is an event for the sink "sink".
func posts(id string) []authority.Post {
	return []authority.Post{{To: []string{"sink"}, Event: event.Event{
		ID: id, Type: event.CertificateIssued, Source: "test", Time: time.Now(), Data: event.Certificate{Serial: id},
	}}}
}

// A node is killed again and again, the server sometimes with it.
func TestCrash(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	if v := os.Getenv("CHANCERY_CRASH_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		rounds = n
	}
	server := pgtest.Private(t)
	url := server.Database(t)
	s := open(t, url)
	var acked []string // all rounds: a crash must not harm what an earlier one left
	for n := range rounds {
		acked = append(acked, killedChild(t, url)...)
		if n%3 == 2 && server.Dir() != "" {
			server.Restart(t, "immediate")
		}
		checkAcknowledged(t, s, acked)
		if len(acked) > 5000 { // those were looked at often enough
			acked = acked[len(acked)-5000:]
		}
	}
	require.NotEmpty(t, acked)
}

// killedChild runs a child, kills it at a random moment, and returns what it acknowledged.
func killedChild(t *testing.T, url string) []string {
	cmd, out := child(t, "crash", url)
	require.True(t, out.Scan())
	require.Equal(t, "opened", out.Text())
	time.AfterFunc(time.Duration(5+rand.IntN(300))*time.Millisecond, func() { cmd.Process.Kill() })
	var acked []string
	for out.Scan() {
		require.False(t, strings.HasPrefix(out.Text(), "failed"), out.Text())
		acked = append(acked, out.Text())
	}
	cmd.Wait()
	return acked
}

// caughtUp waits until the server has noticed what became of a killed node's transactions, and ended them.
func caughtUp(t *testing.T, s *postgres.Store) {
	t.Helper()
	require.NoError(t, s.Post(ctx, []authority.Post{{To: []string{"barrier"}, Event: posts("barrier")[0].Event}}))
	require.Eventually(t, func() bool {
		got, err := s.Outbox(ctx, "barrier", 0, 0)
		require.NoError(t, err)
		for _, e := range got {
			require.NoError(t, s.Delivered(ctx, "barrier", []int64{e.Seq}))
		}
		return len(got) > 0
	}, 10*time.Second, 5*time.Millisecond)
}

func checkAcknowledged(t *testing.T, s *postgres.Store, acked []string) {
	t.Helper()
	caughtUp(t, s)
	events := map[string]bool{}
	for after := int64(0); ; {
		got, err := s.Outbox(ctx, "sink", after, 1000)
		require.NoError(t, err)
		if len(got) == 0 {
			break
		}
		for _, e := range got {
			require.Greater(t, e.Seq, after)
			require.False(t, events[e.Event.ID], "an event twice")
			events[e.Event.ID], after = true, e.Seq
		}
	}
	latest := 0
	for i := len(acked) - 1; i >= 0; i-- {
		f := strings.Fields(acked[i])
		if len(f) < 2 || (f[0] == "reserved" && len(f) < 3) {
			continue // cut off by the kill
		}
		r, err := s.Certificate(ctx, authority.Serial(f[1]))
		require.NoError(t, err, acked[i])
		switch f[0] {
		case "issued":
			require.Equal(t, authority.Issued, r.Status)
			require.Equal(t, storetest.Certificate(r.TBS), r.DER)
			require.True(t, events[f[1]], "the event of %s is lost", f[1])
		case "abandoned":
			require.Equal(t, authority.Abandoned, r.Status)
		case "revoked":
			require.NotNil(t, r.Revocation)
		case "reserved":
			if latest++; latest <= 100 { // those at risk
				err := s.Reserve(ctx, storetest.Record(-latest), provisioner.Spend{ID: f[2], Until: time.Now().Add(time.Hour)})
				require.ErrorIs(t, err, authority.ErrSpent, f[2])
			}
		}
	}
	for {
		got, err := s.Reconcile(ctx, time.Now().Add(time.Hour), time.Now(), 1000, nil)
		require.NoError(t, err)
		if len(got) == 0 {
			return
		}
	}
}

// The server is restarted, in every way it can be, under several stores that go on using it: what was
// answered is there, nothing is there twice, and all of them recover by themselves.
func TestRestartUnderLoad(t *testing.T) {
	server := pgtest.Private(t).Mine(t)
	url := server.Database(t)
	stores := []*postgres.Store{open(t, url), open(t, url), open(t, url)}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan []string)
	for g := range 12 {
		go func() {
			var acked []string
			for n := g; ctx.Err() == nil; n += 12 {
				acked = append(acked, stubborn(t, stores[n%3], n)...)
			}
			done <- acked
		}()
	}
	for _, mode := range []string{"immediate", "fast", "immediate"} {
		time.Sleep(500 * time.Millisecond)
		server.Restart(t, mode)
	}
	time.Sleep(500 * time.Millisecond)
	stop()
	var acked []string
	for range 12 {
		acked = append(acked, <-done...)
	}
	t.Logf("%d answers", len(acked))
	require.Greater(t, len(acked), 100)
	checkAcknowledged(t, stores[0], acked)
}

// stubborn does what an authority does: it asks again until it knows.
func stubborn(t *testing.T, s *postgres.Store, n int) []string {
	r := freshRecord(n)
	spend := provisioner.Spend{ID: fmt.Sprint("token-", n), Until: time.Now().Add(time.Hour)}
	try := func(what string, f func() error, done error) {
		lost := false
		for i := 0; ; i++ {
			err := f()
			if err == nil || lost && done != nil && strings.Contains(err.Error(), done.Error()) {
				return
			}
			lost = true
			if !ok(err, authority.ErrUnavailable) || i > 500 {
				t.Errorf("%s %d: %v", what, n, err)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	try("Reserve", func() error { return s.Reserve(ctx, r, spend) }, authority.ErrSpent)
	try("Commit", func() error {
		return s.Commit(ctx, r.Serial, storetest.Certificate(r.TBS), time.Now(), posts(string(r.Serial)))
	}, nil)
	return []string{"reserved " + string(r.Serial) + " " + spend.ID, "issued " + string(r.Serial)}
}
