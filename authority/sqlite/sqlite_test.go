package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/stretchr/testify/require"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) authority.Store { return open(t, filepath.Join(t.TempDir(), "ca.db")) })
}

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
