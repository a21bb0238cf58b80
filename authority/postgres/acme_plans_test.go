package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func (r *recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r *recorder) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, pgx.TraceQueryStartData{SQL: d.SQL, Args: d.Args})
}

func (r *recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// manyOrders fills the tables of ACME servers: 20,000 of everything, of a hundred accounts that have most, and a few
// that are not valid.
const manyOrders = `
INSERT INTO acme_accounts (id, provisioner, thumbprint, status, version, fixed, doc)
	SELECT 'a' || n, 'acme', 't' || n, CASE WHEN n % 1000 = 0 THEN 4 ELSE 2 END, n, '{}', '{}' FROM generate_series(1, 20000) n;
INSERT INTO acme_keys (provisioner, thumbprint, account) SELECT provisioner, thumbprint, id FROM acme_accounts;
INSERT INTO acme_external_keys (provisioner, id, reusable, expires, account, version, doc)
	SELECT 'acme', 'k' || n, 1, CASE WHEN n % 2 = 0 THEN n + KEPT END, '', n, '{}' FROM generate_series(1, 20000) n;
INSERT INTO acme_orders (id, account, provisioner, open_key, replaces_key, serial, status, expires, due, version, fixed, doc)
	SELECT 'o' || n, 'a' || n % 100, 'acme', CASE WHEN n % 2 = 0 THEN sha256(n::text::bytea) END, CASE WHEN n % 3 = 0 THEN sha256(n::text::bytea) END,
		CASE WHEN n % 2 = 1 THEN n::text END, n % 4, n, CASE WHEN n % 10 = 0 THEN n END, n, '{"identifiers":[{"type":"dns","value":"a"}]}', '{}' FROM generate_series(1, 20000) n;
INSERT INTO acme_authzs (id, account, provisioner, name, live, status, expires, needed, keep, due, version, fixed, doc)
	SELECT 'z' || n, 'a' || n % 100, 'acme', sha256(n::text::bytea), (n % 2)::bigint, n % 5, n, n, n, CASE WHEN n % 10 = 0 THEN n END, n, '{}', '{}' FROM generate_series(1, 20000) n;
INSERT INTO acme_links (ord, n, authz) SELECT o.seq, 0, z.seq FROM acme_orders o JOIN acme_authzs z ON z.seq = o.seq;
INSERT INTO acme_nonces (id, ticket, until) SELECT sha256(n::text::bytea), n, n + KEPT FROM generate_series(1, 20000) n;
INSERT INTO acme_tallies (id, n, until) SELECT sha256(n::text::bytea), n, n + KEPT FROM generate_series(1, 20000) n;
ANALYZE;`

// No statement of ACME's looks at rows in proportion to how many there are, nor sorts them.
func TestACMEPlans(t *testing.T) {
	store, pool, rec := traced(t)
	s := store.ACME()
	_, err := pool.Exec(ctx, strings.ReplaceAll(manyOrders, "KEPT", fmt.Sprint(acme.Kept.Microseconds())))
	require.NoError(t, err)

	seen := map[string]bool{}
	check := func(name string, call func() error) {
		t.Helper()
		rec.take()
		require.NoError(t, call(), name)
		for _, q := range rec.take() {
			if seen[q.SQL] || !strings.Contains(q.SQL, "$1") {
				continue
			}
			seen[q.SQL] = true
			for _, generic := range []bool{false, true} {
				p := plan(t, pool, q, generic)
				if strings.Contains(q.SQL, "a.status <> 2") { // an index of those accounts alone
					require.Contains(t, p, "acme_accounts_")
					continue
				}
				require.Empty(t, proportional(p), "%s\n%s\n%s", name, q.SQL, p)
			}
		}
	}
	a, later := acmetest.Account(1), acmetest.Start.Add(time.Hour)
	tally := acme.Tally{Key: "t", Limit: 100, Until: later}
	require.NoError(t, s.PutExternalKey(ctx, &acme.ExternalKey{ID: "key", Provisioner: acmetest.Provisioner, Reusable: true, Key: []byte("k")}))
	a.Binding = "key"
	check("NewAccount", func() error { return s.NewAccount(ctx, acmetest.Pass(nil), a, tally) })
	check("UpdateAccount", func() error { return s.UpdateAccount(ctx, acmetest.Pass(a), a) })
	check("Account", func() error { _, err := s.Account(ctx, a.ID); return err })
	check("AccountByKey", func() error { _, err := s.AccountByKey(ctx, a.Provisioner, a.Thumbprint); return err })
	check("Spend", func() error { return s.Spend(ctx, acmetest.Pass(a)) })
	check("Count", func() error { return s.Count(ctx, tally) })
	check("Full", func() error { return s.Full(ctx, tally) })
	check("Secret", func() error { _, err := s.Secret(ctx, "x", []byte("y")); return err })
	for n, names := range [][]string{{"a.example"}, {"b.example", "c.example"}, {"a.example", "b.example", "d.example", "e.example", "f.example"}} {
		o := acmetest.NewOrder(a, fmt.Sprint("order", n), names...)
		o.Order.Replaces, o.MaxPending, o.Tallies, o.Unless = fmt.Sprint("replaces", n), 100, []acme.Tally{tally}, []acme.Tally{tally}
		check("NewOrder", func() error { _, _, err := s.NewOrder(ctx, acmetest.Pass(a), o); return err })
		check("NewOrder again", func() error { _, _, err := s.NewOrder(ctx, nil, o); return err })
	}
	check("Order", func() error { _, _, err := s.Order(ctx, acmetest.Pass(a), "order1"); return err })
	check("OrderOf", func() error { _, err := s.OrderOf(ctx, "acme", "1"); return err })
	check("Orders", func() error {
		_, _, err := s.Orders(ctx, acmetest.Pass(a), "a7", time.UnixMicro(19000), "", 3)
		return err
	})
	check("Orders, many ended", func() error { _, _, err := s.Orders(ctx, nil, "a7", later, "", 0); return err })
	check("UpdateOrder", func() error {
		o, _, err := s.Order(ctx, nil, "order1")
		if err == nil {
			err = s.UpdateOrder(ctx, acmetest.Pass(a), o)
		}
		return err
	})
	for _, pass := range []*acme.Pass{nil, acmetest.Pass(a)} {
		check("UpdateAuthorization", func() error {
			z, err := s.Authorization(ctx, nil, "order1-0")
			if err == nil {
				err = s.UpdateAuthorization(ctx, pass, z, tally)
			}
			return err
		})
	}
	check("Holds", func() error {
		_, err := s.Holds(ctx, a.ID, []acme.Identifier{{Type: acme.DNS, Value: "a"}, {Type: acme.DNS, Value: "b"}}, later)
		return err
	})
	check("DueOrders", func() error { _, err := s.DueOrders(ctx, "acme", time.UnixMicro(1000), 10); return err })
	check("DueAuthorizations", func() error { _, err := s.DueAuthorizations(ctx, "acme", time.UnixMicro(1000), 10); return err })
	check("ExternalKey", func() error { _, err := s.ExternalKey(ctx, "acme", "k1"); return err })
	check("ExternalKeys", func() error { _, err := s.ExternalKeys(ctx, "acme", "k1", 10); return err })
	check("Prune", func() error { _, _, err := s.Prune(ctx, time.UnixMicro(10).Add(acme.Kept), 0); return err })
	require.Greater(t, len(seen), 60, "statements that were looked at")
}
