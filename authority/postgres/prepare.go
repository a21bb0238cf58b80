package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// prepare brings the database up to date. One node at a time does so: the others wait in the statement that
// takes the lock. It belongs to a transaction, not to the session, so that PgBouncer does not matter.
func (s *Store) prepare(ctx context.Context, schema string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(c)
	if err := check(ctx, c); err != nil {
		return err
	}
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // frees the lock
	for _, q := range []string{
		"SET LOCAL statement_timeout = 0", // others may have much to migrate
		"SET LOCAL idle_in_transaction_session_timeout = 0",
		"SELECT pg_advisory_xact_lock(hashtextextended('chancery schema', 0))",
	} {
		if _, err := tx.Exec(ctx, q); err != nil {
			return err
		}
	}
	if err := s.migrate(ctx, schema); err != nil {
		return err
	}
	return s.wind(ctx)
}

// check refuses what the store could not keep its word on.
func check(ctx context.Context, c *pgx.Conn) error {
	var version int
	var encoding, commit string
	err := c.QueryRow(ctx, `SELECT current_setting('server_version_num')::int4, current_setting('server_encoding'),
		current_setting('synchronous_commit')`).Scan(&version, &encoding, &commit)
	switch {
	case err != nil:
		return err
	case version < 130000:
		return fmt.Errorf("the server's version is %d.%d, and 13 the oldest that will do", version/10000, version%10000/100)
	case encoding != "UTF8":
		return fmt.Errorf("the database's encoding is %s, which does not hold every name: make it with UTF8", encoding)
	case commit == "off":
		return errors.New("synchronous_commit is off: what was answered could be lost")
	}
	return nil
}

func (s *Store) migrate(ctx context.Context, schema string) (err error) {
	c := s.direct.Copy()
	var opts []stdlib.OptionOpenDB
	if c.BeforeConnect != nil {
		opts = append(opts, stdlib.OptionBeforeConnect(c.BeforeConnect))
	}
	if c.AfterConnect != nil {
		opts = append(opts, stdlib.OptionAfterConnect(c.AfterConnect))
	}
	if p := c.ConnConfig.RuntimeParams; p["statement_timeout"] != "" {
		p["statement_timeout"] = "0" // an index may take longer
	}
	db := stdlib.OpenDB(*c.ConnConfig, opts...)
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := haveSchema(ctx, db, schema); err != nil {
		return err
	}
	return sqlstore.Migrate(ctx, db, goose.DialectPostgres, "postgres")
}

// haveSchema makes the schema if there is none. The right to do so is not needed if there is.
func haveSchema(ctx context.Context, db *sql.DB, schema string) error {
	if schema != "" {
		var there bool
		err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there)
		if err != nil {
			return err
		}
		if !there {
			if _, err := db.ExecContext(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
				return err
			}
		}
	}
	var current sql.NullString
	if err := db.QueryRowContext(ctx, "SELECT current_schema()").Scan(&current); err != nil {
		return err
	}
	if !current.Valid {
		return errors.New("no schema of the search_path exists, or may be used")
	}
	return nil
}

// errNoClock says that somebody has emptied a table.
var errNoClock = fmt.Errorf("%w: the clock table is empty", authority.ErrUnavailable)

// wind puts new numbers above all there are, where the ids of this cluster's transactions are lower than
// those of the one that the data came from. It runs under the lock, and before anything is written.
func (s *Store) wind(ctx context.Context) error {
	return s.read(ctx, func(t *tx) error {
		var standby bool
		if err := t.q.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil || standby {
			return err
		}
		tag, err := t.q.Exec(ctx, windClock)
		if err == nil && tag.RowsAffected() == 0 {
			err = errNoClock
		}
		return err
	})
}

// Of one snapshot: every id below its xmax has been given, and those of the rows that it shows are. So
// without a restore used is below now, and nothing is added. The revisions are looked up issuer by issuer,
// in their index.
const windClock = `WITH RECURSIVE i (issuer) AS (
		SELECT min(issuer) FROM revocations
		UNION ALL SELECT (SELECT min(issuer) FROM revocations r WHERE r.issuer > i.issuer) FROM i WHERE i.issuer IS NOT NULL),
	n AS (
		SELECT base, base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS now, greatest(seen,
			(SELECT max(seq) FROM outbox) >> 20, (SELECT max(seq) FROM dead_letters) >> 20, (SELECT max(revision) FROM crls) >> 20,
			(SELECT max((SELECT max(revision) FROM revocations r WHERE r.issuer = i.issuer)) FROM i) >> 20) AS used
		FROM clock)
	UPDATE clock SET base = n.base + greatest(0, n.used + 1 - n.now), seen = greatest(n.now - 1, n.used) FROM n`
