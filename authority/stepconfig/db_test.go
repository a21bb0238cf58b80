package stepconfig

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
)

func TestPostgreSQL(t *testing.T) {
	for _, c := range []struct{ source, database, want string }{
		{"postgresql://u:p@db.internal:5432/", "ca", "postgresql://u:p@db.internal:5432/ca"},
		{"postgres://u:p@db.internal/other?sslmode=require", "my ca", "postgres://u:p@db.internal/my%20ca?sslmode=require"},
		{"postgres://u@db.internal/other", "", "postgres://u@db.internal/other"},
		{"host=db.internal user=u", `it's \ ca`, `host=db.internal user=u dbname='it\'s \\ ca'`},
	} {
		f, err := load(edit(t, "plain", put("db", map[string]any{"type": "PostgreSQL", "dataSource": c.source, "database": c.database})), "")
		require.NoError(t, err)
		require.Equal(t, DB{Type: PostgreSQL, Source: c.want}, f.DB)

		_, err = f.OpenStore(t.Context(), nil)
		require.ErrorContains(t, err, "ca.json:")
		require.ErrorContains(t, err, "db.type: this program was built without PostgreSQL")

		s, err := f.OpenStore(t.Context(), &StoreOptions{PostgreSQL: func(_ context.Context, source string) (Store, error) {
			require.Equal(t, c.want, source)
			return memory{authority.NewMemory(), acme.NewMemory()}, nil
		}})
		require.NoError(t, err)
		require.NoError(t, s.Close())

		bad := errors.New("no route to host")
		_, err = f.OpenStore(t.Context(), &StoreOptions{PostgreSQL: func(context.Context, string) (Store, error) { return nil, bad }})
		require.ErrorIs(t, err, bad)
		require.Equal(t, "db.dataSource", Faults(err)[0].Path)
	}
}
