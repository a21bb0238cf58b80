package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// The page limit makes SQLite say SQLITE_FULL where no small file system can be mounted.
func TestPageLimit(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "ca.db"), nil)
	require.NoError(t, err)
	defer s.Close()
	limit := func(n int) {
		require.NoError(t, s.do(ctx, func(tx sqlstore.Tx) error {
			return tx.Query(fmt.Sprintf("PRAGMA max_page_count = %d", n), func(sqlstore.Row) error { return nil })
		}))
	}
	limit(40)
	n := 0
	for ; n < 10000; n++ {
		if err = s.Reserve(ctx, storetest.Record(n), provisioner.Spend{}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, authority.ErrFull)
	require.Positive(t, n)
	limit(1000000)
	require.NoError(t, s.Reserve(ctx, storetest.Record(n), provisioner.Spend{}))
	for i := range n {
		_, err := s.Certificate(ctx, storetest.Record(i).Serial)
		require.NoError(t, err)
	}
}

// What is wrong with one operation is not the others' fault.
func TestGroupOutlivesABadOne(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "ca.db"), nil)
	require.NoError(t, err)
	defer s.Close()
	release, blocked := make(chan struct{}), make(chan struct{}, 1)
	errs := make(chan error, 12)
	go func() {
		errs <- s.do(ctx, func(sqlstore.Tx) error { blocked <- struct{}{}; <-release; return nil })
	}()
	<-blocked
	for n := range 9 {
		go func() { errs <- s.Reserve(ctx, storetest.Record(n), provisioner.Spend{}) }()
	}
	bad := make(chan error, 2)
	go func() {
		bad <- s.do(ctx, func(tx sqlstore.Tx) error { _, err := tx.Exec("no such statement"); return err })
	}()
	go func() { bad <- s.do(ctx, func(sqlstore.Tx) error { panic("a callback's") }) }()
	for len(s.ops) < 11 {
	}
	close(release)
	for range 10 {
		require.NoError(t, <-errs)
	}
	require.Error(t, <-bad)
	require.Error(t, <-bad)
	for n := range 9 {
		_, err := s.Certificate(ctx, storetest.Record(n).Serial)
		require.NoError(t, err)
	}
}
