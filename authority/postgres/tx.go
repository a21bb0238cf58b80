package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// querier is an open transaction, or a connection.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// tx is one attempt at an operation. It implements sqlstore.Tx.
type tx struct {
	ctx    context.Context
	q      querier
	number int64 // of the transaction, once it was asked for
	given  int64 // numbers within it
	ran    bool  // a script that may have been a transaction by itself
}

var _ sqlstore.Tx = (*tx)(nil)

// Exec implements sqlstore.Tx.
func (t *tx) Exec(query string, args ...any) (int64, error) {
	tag, err := t.q.Exec(t.ctx, dialect(query), args...)
	return tag.RowsAffected(), err
}

// Insert implements sqlstore.Tx.
func (t *tx) Insert(query string, args ...any) (id int64, ok bool, err error) {
	err = t.q.QueryRow(t.ctx, dialect(query)+" RETURNING id", args...).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, err
}

// Query implements sqlstore.Tx.
func (t *tx) Query(query string, row func(sqlstore.Row) error, args ...any) error {
	rows, err := t.q.Query(t.ctx, dialect(query), args...)
	if err != nil {
		return err
	}
	return each(rows, row)
}

func each(rows pgx.Rows, row func(sqlstore.Row) error) error {
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		for i, v := range values {
			switch v := v.(type) {
			case int32: // a literal of a statement
				values[i] = int64(v)
			case []byte:
				if len(v) == 0 {
					values[i] = []byte(nil)
				}
			}
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Run implements sqlstore.Tx. What is sent in one go, outside of a transaction, is one.
func (t *tx) Run(steps []*sqlstore.Step) (err error) {
	var b pgx.Batch
	for _, s := range steps {
		b.Queue(dialect(s.Query), s.Args...)
	}
	r := t.q.SendBatch(t.ctx, &b)
	defer func() {
		if end := r.Close(); err == nil { // which says whether it was committed
			err = end
		}
		t.ran = t.ran || err == nil
	}()
	for _, s := range steps {
		if s.Row == nil {
			tag, err := r.Exec()
			if err != nil {
				return err
			}
			s.N = tag.RowsAffected()
			continue
		}
		rows, err := r.Query()
		if err != nil {
			return err
		}
		if err := each(rows, func(row sqlstore.Row) error { s.N++; return s.Row(row) }); err != nil {
			return err
		}
	}
	return nil
}

// perTransaction is how many numbers there are for each transaction.
const perTransaction = 1 << 20

// NextSeq implements sqlstore.Tx.
func (t *tx) NextSeq(n int) (int64, error) {
	if t.number == 0 {
		const own = "SELECT base + pg_current_xact_id()::text::bigint FROM clock"
		if err := t.q.QueryRow(t.ctx, own).Scan(&t.number); err != nil {
			return 0, clockError(err)
		}
	}
	first := t.given
	if t.given += int64(n); t.given > perTransaction {
		return 0, fmt.Errorf("postgres: more than %d events and changes in one transaction", perTransaction)
	}
	return t.number*perTransaction + first, nil
}

// Seqs implements sqlstore.Tx.
func (t *tx) Seqs() (n int64, err error) {
	// Every transaction with an id below xmin has ended when the snapshot is taken, and what it wrote is
	// seen by the statements that follow.
	const horizon = "SELECT (base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint) << 20 FROM clock"
	err = t.q.QueryRow(t.ctx, horizon).Scan(&n)
	return n, clockError(err)
}

// NextRevision implements sqlstore.Tx.
func (t *tx) NextRevision() (int64, error) { return t.NextSeq(1) }

// Revision implements sqlstore.Tx.
func (t *tx) Revision() (int64, error) {
	n, err := t.Seqs()
	return n - 1, err
}

func clockError(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoClock
	}
	return err
}
