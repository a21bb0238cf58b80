package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// recorder notes the statements that a store runs.
type recorder struct {
	mu   sync.Mutex
	seen []pgx.TraceQueryStartData
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, d)
	return ctx
}

func (r *recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *recorder) take() []pgx.TraceQueryStartData {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.seen
	r.seen = nil
	return all
}

// many fills the tables: 50,000 certificates of which a twentieth is revoked, with three terms each, and as
// many events and credentials.
const many = `
INSERT INTO certificates (serial, status, not_before, not_after, reserved_at, issued_at, issuer, shard, provisioner, profile,
	subject, key_id, entity, more, tbs, der)
	SELECT sha256(n::text::bytea), CASE WHEN n % 1000 = 0 THEN 0 WHEN n % 100 = 1 THEN 2 ELSE 1 END, n::bigint * 1000000, n::bigint * 1000000 + 86400000000,
		n::bigint * 1000000, n::bigint * 1000000, 'issuer-' || n % 3, n % 8, 'provisioner-' || n % 10, 'server', 'host-' || n, md5(n::text), 'entity-' || n % 5000,
		'{}', decode(repeat('30', 300), 'hex'), decode(repeat('00', 80), 'hex') FROM generate_series(1, 50000) n;
INSERT INTO terms (term, reserved_at, certificate) SELECT hashtextextended(t || id % 40000, 0), reserved_at, id
	FROM certificates, unnest(ARRAY['a', 'b', 'c']) t;
INSERT INTO revocations (certificate, kind, issuer, shard, serial, not_after, reserved_at, reason_code, reason, at, provisioner, revoked_by, revision)
	SELECT id, CASE WHEN id % 100 = 0 THEN 2 ELSE 0 END, issuer, shard, serial, not_after, reserved_at, 1, '', reserved_at, '', '', id
	FROM certificates WHERE id % 20 = 0;
INSERT INTO spent (id, until) SELECT sha256(n::text::bytea), n FROM generate_series(1, 50000) n;
INSERT INTO outbox (seq, sink, at, payload) SELECT n, 'sink-' || n % 4, n, PAYLOAD FROM generate_series(1, 50000) n;
INSERT INTO dead_letters (seq, sink, at, buried_at, reason, payload) SELECT -n, 'sink-' || n % 4, n, n, '', PAYLOAD FROM generate_series(1, 50000) n;
ANALYZE;`

// traced returns a store, the pool that it uses, and what records its statements.
func traced(t *testing.T) (*postgres.Store, *pgxpool.Pool, *recorder) {
	c, err := pgxpool.ParseConfig(pgtest.Start(t).Database(t))
	require.NoError(t, err)
	for name, value := range postgres.Settings() {
		c.ConnConfig.RuntimeParams[name] = value
	}
	rec := &recorder{}
	c.ConnConfig.Tracer = rec
	pool, err := pgxpool.NewWithConfig(ctx, c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := postgres.New(ctx, pool, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, pool, rec
}

// No statement looks at rows in proportion to how many there are, nor sorts them, whether it is planned for
// its arguments or for any.
func TestPlans(t *testing.T) {
	s, pool, rec := traced(t)
	payload, err := posts("x")[0].Event.MarshalJSON()
	require.NoError(t, err)
	_, err = pool.Exec(ctx, strings.ReplaceAll(many, "PAYLOAD", fmt.Sprintf("'\\x%x'::bytea", payload)))
	require.NoError(t, err)

	check := func(name string, call func() error) {
		t.Helper()
		rec.take()
		require.NoError(t, call(), name)
		for _, q := range rec.take() {
			if strings.Contains(q.SQL, "FROM clock") && !strings.Contains(q.SQL, "outbox") || !strings.Contains(q.SQL, "$1") {
				continue
			}
			for _, p := range []string{plan(t, pool, q, false), plan(t, pool, q, true)} {
				require.Empty(t, proportional(p), "%s\n%s\n%s", name, q.SQL, p)
			}
		}
	}
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	list := func(q authority.Query) func() error {
		return func() error {
			for pages := 0; pages < 3; pages++ {
				p, err := s.List(ctx, q)
				if err != nil || p.Next == "" {
					return err
				}
				q.Cursor = p.Next
			}
			return nil
		}
	}
	yes, no := true, false
	for name, q := range map[string]authority.Query{
		"all": {}, "issued": {Status: authority.Issued}, "reserved": {Status: authority.Reserved}, "issuer": {Issuer: "issuer-1"},
		"provisioner": {Provisioner: "provisioner-1"}, "profile": {Profile: "server"}, "subject": {Subject: "host-1"}, "name": {Name: "host-1"},
		"key": {KeyID: "x"}, "entity": {Entity: "entity-7"}, "revoked": {Revoked: &yes}, "not revoked": {Revoked: &no},
		"known": {KnownFrom: at(40000), KnownUntil: at(40010)}, "valid": {NotBeforeFrom: at(40000)},
		"ends": {NotAfterFrom: at(100000), NotAfterUntil: at(100100)}, "end": {NotAfterUntil: at(100100), Revoked: &yes, Issuer: "issuer-1"},
		"known of an issuer": {Issuer: "issuer-1", KnownFrom: at(40000)}, "revoked then": {Revoked: &yes, KnownFrom: at(40000)},
	} {
		for _, newest := range []bool{false, true} {
			q.NewestFirst = newest
			check(fmt.Sprint(name, newest), list(q))
		}
	}
	check("Certificate", func() error { s.Certificate(ctx, "1f"); return nil })
	check("Ending", func() error { _, err := s.Ending(ctx, at(100000), at(100100), "", 0); return err })
	for name, q := range map[string]authority.ChangeQuery{
		"everything": {Issuer: "issuer-1"}, "shard": {Issuer: "issuer-1", Shard: 3}, "still good": {Issuer: "issuer-1", NotAfter: at(130000)},
		"delta": {Issuer: "issuer-1", Above: 49000}, "delta of a shard": {Issuer: "issuer-1", Shard: 3, Above: 49000},
	} {
		check(name, func() error { _, err := s.Changes(ctx, q); return err })
	}
	check("Outbox", func() error { _, err := s.Outbox(ctx, "sink-1", 40000, 0); return err })
	check("Buried", func() error { _, err := s.Buried(ctx, "sink-1", -100, 0); return err })
	check("Delivered", func() error { return s.Delivered(ctx, "sink-1", []int64{1}) })
	check("Bury", func() error { return s.Bury(ctx, "sink-1", 5, "", at(1)) })
	check("Replay", func() error { return s.Replay(ctx, "sink-1", []int64{-9}) })
	check("Reconcile", func() error { _, err := s.Reconcile(ctx, at(2000), at(1), 0, nil); return err })
	check("Prune", func() error {
		_, err := s.Prune(ctx, authority.Prune{Now: time.UnixMicro(10), Certificates: at(86410), Events: time.UnixMicro(10), Limit: 200})
		return err
	})
	check("issue", func() error { issue(t, s, 1); return nil })
}

// proportional returns what in a plan looks at a whole table, or sorts.
func proportional(plan string) string {
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		for _, bad := range []string{"Seq Scan", "Bitmap", "Sort", "Merge", "Hash Join", "Hash Semi Join"} {
			if strings.Contains(line, bad) && !strings.Contains(line, "clock") {
				return line
			}
		}
		whole := strings.Contains(line, "Index") && strings.Contains(line, "Scan") && !strings.Contains(line, "clock")
		if whole && (i+1 == len(lines) || !strings.Contains(lines[i+1], "Index Cond:")) {
			return line
		}
	}
	return ""
}

// plan returns how PostgreSQL goes about a statement.
func plan(t *testing.T, pool *pgxpool.Pool, q pgx.TraceQueryStartData, generic bool) string {
	t.Helper()
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	defer tx.Rollback(ctx)
	explain, args := "EXPLAIN "+q.SQL, q.Args
	if generic {
		_, err = tx.Exec(ctx, "SET LOCAL plan_cache_mode = force_generic_plan")
		require.NoError(t, err)
		_, err = tx.Exec(ctx, "PREPARE planned AS "+q.SQL, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err, q.SQL)
		defer tx.Exec(ctx, "DEALLOCATE planned")
		explain, args = "EXPLAIN EXECUTE planned ("+strings.TrimSuffix(strings.Repeat("NULL, ", len(q.Args)), ", ")+")", nil
	}
	if !generic {
		args = append([]any{pgx.QueryExecModeExec}, args...)
	} else {
		args = []any{pgx.QueryExecModeSimpleProtocol}
	}
	rows, err := tx.Query(ctx, explain, args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err, q.SQL)
	return strings.Join(lines, "\n")
}
