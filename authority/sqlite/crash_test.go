package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// crashChild reserves, commits and revokes with 16 goroutines until it is killed, and prints what was
// acknowledged.
func crashChild(path string) {
	s, err := sqlite.Open(context.Background(), path, nil)
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
				r := storetest.Record(n)
				r.NotBefore, r.NotAfter, r.ReservedAt = time.Now(), time.Now().Add(time.Hour), time.Now()
				if err := crashRound(s, &out, r, n); err != nil {
					out.line("failed %v", err)
				}
			}
		}()
	}
	select {}
}

func crashRound(s *sqlite.Store, out *printer, r *authority.Record, n int) error {
	ctx := context.Background()
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
	if err := s.Commit(ctx, r.Serial, storetest.Certificate(r.TBS), time.Now(), nil); err != nil {
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

func TestCrash(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	if v := os.Getenv("CHANCERY_CRASH_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		rounds = n
	}
	path := filepath.Join(t.TempDir(), "ca.db")
	var acked []string // all rounds: a crash must not harm what an earlier one left
	for range rounds {
		acked = append(acked, killedChild(t, path)...)
		checkIntegrity(t, path)
		checkAcknowledged(t, path, acked)
		if len(acked) > 20000 { // those were looked at often enough
			acked = acked[len(acked)-20000:]
		}
	}
	require.NotEmpty(t, acked)
}

// killedChild runs a child, kills it at a random moment, and returns what it acknowledged.
func killedChild(t *testing.T, path string) []string {
	cmd, out := child(t, "crash", path)
	require.True(t, out.Scan())
	require.Equal(t, "opened", out.Text())
	time.AfterFunc(time.Duration(5+rand.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
	var acked []string
	for out.Scan() {
		require.False(t, strings.HasPrefix(out.Text(), "failed"), out.Text())
		acked = append(acked, out.Text())
	}
	cmd.Wait()
	return acked
}

func checkIntegrity(t *testing.T, path string) {
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	var answer string
	require.NoError(t, db.QueryRow("PRAGMA integrity_check").Scan(&answer))
	require.Equal(t, "ok", answer)
	rows, err := db.Query("PRAGMA foreign_key_check")
	require.NoError(t, err)
	require.False(t, rows.Next())
	require.NoError(t, rows.Close())
}

func checkAcknowledged(t *testing.T, path string, acked []string) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, nil)
	require.NoError(t, err)
	defer s.Close()
	require.Nil(t, s.Gap(), "a crash is no restored copy")
	for _, line := range acked {
		f := strings.Fields(line)
		if len(f) < 2 || (f[0] == "reserved" && len(f) < 3) {
			continue // cut off by the kill
		}
		r, err := s.Certificate(ctx, authority.Serial(f[1]))
		require.NoError(t, err, line)
		switch f[0] {
		case "issued":
			require.Equal(t, authority.Issued, r.Status)
			require.Equal(t, storetest.Certificate(r.TBS), r.DER)
		case "abandoned":
			require.Equal(t, authority.Abandoned, r.Status)
		case "revoked":
			require.NotNil(t, r.Revocation)
		}
	}
	spentAreRefused(t, s, acked)
	for {
		got, err := s.Reconcile(ctx, time.Now().Add(time.Hour), time.Now(), 1000, nil)
		require.NoError(t, err)
		if len(got) == 0 {
			return
		}
	}
}

func spentAreRefused(t *testing.T, s *sqlite.Store, acked []string) {
	n := 0
	for i := len(acked) - 1; i >= 0 && n < 200; i-- { // the latest are those at risk
		f := strings.Fields(acked[i])
		if f[0] != "reserved" || len(f) < 3 {
			continue
		}
		n++
		err := s.Reserve(context.Background(), storetest.Record(-n), provisioner.Spend{ID: f[2], Until: time.Now().Add(time.Hour)})
		require.ErrorIs(t, err, authority.ErrSpent, f[2])
	}
}

// Whatever copy is put back, with the journal: what was acknowledged as revoked is revoked.
func TestCrashAndRestore(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.db")
	var acked []string
	for i := range rounds {
		acked = append(acked, killedChild(t, path)...)
		if i%2 == 0 { // sometimes it is the next child that finds what the crash has left
			session(t, path, nil, func(s *sqlite.Store) { require.Nil(t, s.Gap()) })
			copyFile(t, path, fmt.Sprint(path, ".", i))
		}
	}
	session(t, path, nil, func(s *sqlite.Store) { require.Nil(t, s.Gap()) })
	for i := 0; i < rounds; i += 2 {
		copyFile(t, fmt.Sprint(path, ".", i), path)
		copyFile(t, path+".ledger", path+".kept")
		session(t, path, nil, func(s *sqlite.Store) { revokedStay(t, s, acked) })
		session(t, path, &sqlite.Options{Restored: sqlite.Replay}, func(s *sqlite.Store) {
			revokedStay(t, s, acked)
			issue(t, s, i)
		})
		session(t, path, nil, func(s *sqlite.Store) {
			require.Nil(t, s.Gap())
			revokedStay(t, s, acked)
		})
		checkIntegrity(t, path)
		copyFile(t, path+".kept", path+".ledger")
	}
}

func revokedStay(t *testing.T, s *sqlite.Store, acked []string) {
	n := 0
	for _, line := range acked {
		if f := strings.Fields(line); f[0] == "revoked" && len(f) == 2 && len(f[1]) == 32 {
			r, err := s.Certificate(context.Background(), authority.Serial(f[1]))
			require.NoError(t, err, line)
			require.NotNil(t, r.Revocation, line)
			n++
		}
	}
	require.Positive(t, n)
}
