package postgres_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/stretchr/testify/require"
)

func TestStore(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	var n atomic.Int32 // a schema of its own for each
	storetest.Run(t, func(t *testing.T) authority.Store {
		s, err := postgres.Open(ctx, url, &postgres.Options{Schema: fmt.Sprintf("Test %d", n.Add(1))})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
}
