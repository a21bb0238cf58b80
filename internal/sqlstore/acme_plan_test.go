package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/stretchr/testify/require"
)

// noted is a Tx on a database that notes the statements it runs.
type noted struct {
	Tx // of the methods that ACME's statements have no use for: nil
	db *sql.DB

	seen map[string]bool
}

func (n *noted) Query(query string, row func(Row) error, args ...any) error {
	return n.Run([]*Step{{Query: query, Args: args, Row: row}})
}

func (n *noted) Run(steps []*Step) error {
	for _, s := range steps { // all of them: none is skipped
		n.seen[s.Query] = true
		if s.Row == nil {
			r, err := n.db.Exec(s.Query, s.Args...)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Query, err)
			}
			s.N, _ = r.RowsAffected()
			continue
		}
		rows, err := n.db.Query(s.Query, s.Args...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Query, err)
		}
		var all []Row
		columns, _ := rows.Columns()
		for rows.Next() {
			r, p := make(Row, len(columns)), make([]any, len(columns))
			for i := range r {
				p[i] = &r[i]
			}
			if err := rows.Scan(p...); err != nil {
				return err
			}
			all = append(all, r)
		}
		rows.Close()
		for _, r := range all {
			s.N++
			if err := s.Row(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func notedStore(t *testing.T) (*ACME, *noted) {
	n := &noted{db: database(t), seen: map[string]bool{}}
	run := func(_ context.Context, f func(Tx) error) error { return f(n) }
	return &ACME{Write: run, Read: run}, n
}

// No statement of ACME's looks at more rows than it needs.
func TestACMEPlans(t *testing.T) {
	s, n := notedStore(t)
	ctx, later := context.Background(), acmetest.Start.Add(time.Hour)
	a, tally := acmetest.Account(1), acme.Tally{Key: "t", Limit: 100, Until: later}
	require.NoError(t, s.PutExternalKey(ctx, &acme.ExternalKey{ID: "key", Provisioner: acmetest.Provisioner, Reusable: true, Key: []byte("k")}))
	a.Binding = "key"
	require.NoError(t, s.NewAccount(ctx, acmetest.Pass(nil), a, tally))
	require.NoError(t, s.UpdateAccount(ctx, acmetest.Pass(a), a))
	for i, names := range [][]string{{"a.example"}, {"b.example", "a.example"}, {"a.example", "b.example", "c.example", "d.example", "e.example"}} {
		o := acmetest.NewOrder(a, fmt.Sprint("o", i), names...)
		o.Order.Replaces, o.MaxPending, o.Tallies, o.Unless = fmt.Sprint(i), 100, []acme.Tally{tally, {Key: "u", Limit: 100}}, []acme.Tally{tally}
		_, _, err := s.NewOrder(ctx, acmetest.Pass(a), o)
		require.NoError(t, err)
	}
	full := acmetest.NewOrder(a, "full", "f.example")
	full.Tallies = []acme.Tally{{Key: "t", Limit: 1}}
	_, _, err := s.NewOrder(ctx, nil, full)
	require.Error(t, err)
	o, auths, err := s.Order(ctx, acmetest.Pass(a), "o1")
	require.NoError(t, err)
	stale, staleAuth := *o, *auths[0]
	for _, p := range [][2]*acme.Pass{{}, {acmetest.Pass(a), acmetest.Pass(a)}} {
		require.NoError(t, s.UpdateOrder(ctx, p[0], o))
		require.NoError(t, s.UpdateAuthorization(ctx, p[1], auths[0], tally))
	}
	require.ErrorIs(t, s.UpdateOrder(ctx, nil, &stale), acme.ErrConflict)
	require.ErrorIs(t, s.UpdateAuthorization(ctx, nil, &staleAuth), acme.ErrConflict)
	key, err := s.ExternalKey(ctx, acmetest.Provisioner, "key")
	require.NoError(t, err)
	require.NoError(t, s.PutExternalKey(ctx, key))
	for _, err := range []error{
		s.Spend(ctx, acmetest.Pass(a)), s.Count(ctx, tally), s.Full(ctx, tally),
		second(s.Account(ctx, a.ID)), second(s.AccountByKey(ctx, a.Provisioner, a.Thumbprint)), second(s.Secret(ctx, "x", []byte("y"))),
		second(s.Holds(ctx, a.ID, o.Identifiers, later)), second(s.DueOrders(ctx, "acme", later, 1)), second(s.DueAuthorizations(ctx, "acme", later, 1)),
		second(s.ExternalKeys(ctx, "acme", "", 1)), second(s.Authorization(ctx, acmetest.Pass(a), "o1-0")),
	} {
		require.NoError(t, err)
	}
	_, _, err = s.Orders(ctx, acmetest.Pass(a), a.ID, later, "", 0)
	require.NoError(t, err)
	_, err = s.OrderOf(ctx, "acme", "1f")
	require.ErrorIs(t, err, acme.ErrNotFound)
	a.Status = acme.Revoked
	require.NoError(t, s.UpdateAccount(ctx, nil, a))
	require.ErrorIs(t, s.Spend(ctx, acmetest.Pass(a)), acme.ErrAccount)
	gone, _, err := s.Prune(ctx, later.AddDate(1, 0, 0), 0)
	require.NoError(t, err)
	require.Positive(t, gone)
	_, err = s.Account(ctx, a.ID)
	require.ErrorIs(t, err, acme.ErrNotFound)

	require.Greater(t, len(n.seen), 60)
	for _, statement := range slices.Sorted(maps.Keys(n.seen)) {
		p := plan(t, n.db, statement)
		for _, line := range strings.Split(p, "\n") {
			switch {
			case line == "SCAN v" || strings.HasSuffix(line, "CONSTANT ROWS") || strings.HasSuffix(line, "-ROW VALUES CLAUSE") || line == "SCAN CONSTANT ROW" || line == "SCAN u":
				continue // values of the statement
			case strings.HasPrefix(line, "SCAN a USING") && strings.Contains(line, "INDEX acme_accounts_gone"):
				continue // those that are not valid
			}
			require.NotContains(t, line, "SCAN", "%s\n%s", statement, p)
			require.NotContains(t, line, "B-TREE FOR ORDER", "%s\n%s", statement, p)
			require.NotContains(t, line, "AUTOMATIC", "%s\n%s", statement, p)
		}
	}
}

func second[T any](_ T, err error) error { return err }
