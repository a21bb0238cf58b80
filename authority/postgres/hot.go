package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/jackc/pgx/v5/pgconn"
)

// What an authority waits for with every certificate is one statement, and so one round trip. A serial that
// exists is an error of that statement, which undoes all of it; that a credential was spent, which a client
// can provoke, is not one, so that it cannot fill the server's log.
const (
	insertRecord = `INSERT INTO certificates (serial, status, not_before, not_after, reserved_at, issued_at, issuer, shard,
		provisioner, profile, subject, key_id, entity, spend, more, tbs, der)
		SELECT $3::bytea, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::text, $10::bigint,
		$11::text, $12::text, $13::text, $14::text, $15::text, $16::bytea, $17::text, $18::bytea, $19::bytea`

	reserve = `WITH s AS (INSERT INTO spent (id, until) SELECT $1::bytea, $2::bigint WHERE $1::bytea IS NOT NULL
		ON CONFLICT DO NOTHING RETURNING 1),
		c AS (` + insertRecord + ` WHERE $1::bytea IS NULL OR EXISTS (SELECT FROM s) RETURNING id),
		t AS (INSERT INTO terms (term, reserved_at, certificate) SELECT term, $7, c.id FROM c, unnest($20::bigint[]) term)
		SELECT count(*) FROM c`

	commitReserved = `UPDATE certificates SET status = 1, issued_at = $1, der = $2 WHERE serial = $3 AND status = 0 AND tbs = $4`

	commit = `WITH u AS (` + commitReserved + ` RETURNING 1),
		o AS (INSERT INTO outbox (seq, sink, at, payload)
		SELECT (clock.base + pg_current_xact_id()::text::bigint << 20) + p.n - 1, p.sink, p.at, p.payload
		FROM clock, unnest($5::text[], $6::bigint[], $7::bytea[]) WITH ORDINALITY AS p (sink, at, payload, n)
		WHERE EXISTS (SELECT FROM u))
		SELECT count(*) FROM u`
)

// Reserve implements authority.Store.
func (s *Store) Reserve(ctx context.Context, r *authority.Record, spend provisioner.Spend) error {
	v, err := sqlstore.NewReservation(r, spend)
	if err != nil {
		return err
	}
	p := v.Parts()
	args := append([]any{p.Spend, p.Until}, p.Record...)
	var n int64
	err = s.one(ctx, []any{&n}, reserve, append(args, p.Terms)...)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "23505" && e.ConstraintName == "certificates_serial" {
		return authority.ErrExists
	}
	if err == nil && n == 0 {
		return authority.ErrSpent
	}
	return err
}

// Commit implements authority.Store.
func (s *Store) Commit(ctx context.Context, n authority.Serial, der []byte, at time.Time, posts []authority.Post) error {
	v, err := sqlstore.NewCommitment(n, der, at, posts)
	if err != nil {
		return err
	}
	p := v.Parts()
	if p.TBS == nil || len(p.Sinks) > perTransaction {
		return s.write(ctx, v.Apply)
	}
	var done int64
	err = s.one(ctx, []any{&done}, commit, p.At, p.Kept, p.Serial, p.TBS, p.Sinks, p.Times, p.Payloads)
	if err == nil && done == 0 {
		return s.write(ctx, v.Apply) // which finds out why
	}
	return err
}
