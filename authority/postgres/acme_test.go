package postgres_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/stretchr/testify/require"
)

func TestACME(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	var n atomic.Int32 // a schema of its own for each
	acmetest.Store(t, func(t *testing.T) acme.Store {
		s, err := postgres.Open(ctx, url, &postgres.Options{Schema: fmt.Sprintf("ACME %d", n.Add(1))})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s.ACME()
	})
}
