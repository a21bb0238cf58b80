package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/chancery-ca/chancery/internal/sqlstore"
	modernc "modernc.org/sqlite"
)

// conn is one connection with its prepared statements, for one goroutine at a time. It speaks to the
// driver itself: database/sql would cost more than the statements do.
type conn struct {
	dc    driver.Conn
	stmts map[string]stmt
	args  []driver.NamedValue // of the statement that runs

	heard  []line // what the transaction changes, for the journal
	newest int64  // id that it has given
}

type stmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// dial opens a connection.
func dial(dsn string) (*conn, error) {
	connector, err := modernc.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	dc, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return &conn{dc: dc, stmts: map[string]stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.dc.Close())...)
}

// Exec implements sqlstore.Tx.
func (c *conn) Exec(query string, args ...any) (int64, error) {
	r, err := c.run(query, args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Insert implements sqlstore.Tx.
func (c *conn) Insert(query string, args ...any) (int64, bool, error) {
	r, err := c.run(query, args)
	if err != nil {
		return 0, false, err
	}
	if n, err := r.RowsAffected(); n == 0 || err != nil {
		return 0, false, err
	}
	id, err := r.LastInsertId()
	c.newest = max(c.newest, id)
	return id, err == nil, err
}

// Query implements sqlstore.Tx.
func (c *conn) Query(query string, row func(sqlstore.Row) error, args ...any) (err error) {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	dest := make([]driver.Value, len(rows.Columns()))
	r := make(sqlstore.Row, len(dest))
	for {
		if err := rows.Next(dest); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for i, v := range dest {
			r[i] = v
		}
		if err := row(r); err != nil {
			return err
		}
	}
}

// Run implements sqlstore.Tx.
func (c *conn) Run(steps []*sqlstore.Step) error {
	for _, s := range steps {
		if s.Skip != nil && s.Skip() {
			continue
		}
		var err error
		if s.Row == nil {
			s.N, err = c.Exec(s.Query, s.Args...)
		} else {
			err = c.Query(s.Query, func(r sqlstore.Row) error { s.N++; return s.Row(r) }, s.Args...)
		}
		if err != nil {
			return err
		}
		if s.Last && s.N == 0 {
			return nil
		}
	}
	return nil
}

// NextSeq implements sqlstore.Tx.
func (c *conn) NextSeq(n int) (int64, error) { return sqlstore.Next(c, sqlstore.Seq, n) }

// Seqs implements sqlstore.Tx: with one writer, numbers become visible in their order.
func (c *conn) Seqs() (int64, error) { return math.MaxInt64, nil }

// NextRevision implements sqlstore.Tx.
func (c *conn) NextRevision() (int64, error) { return sqlstore.Next(c, sqlstore.Revision, 1) }

// Revision implements sqlstore.Tx.
func (c *conn) Revision() (int64, error) { return sqlstore.Last(c, sqlstore.Revision) }

// Standing implements sqlstore.Witness.
func (c *conn) Standing(s *sqlstore.Standing) { c.heard = append(c.heard, line{Standing: s}) }

// Numbered implements sqlstore.Witness.
func (c *conn) Numbered(n *sqlstore.CRLNumber) { c.heard = append(c.heard, line{CRL: n}) }

// within runs f in a transaction of its own.
func (c *conn) within(f func() error) error {
	_, err := c.Exec("BEGIN IMMEDIATE")
	if err != nil {
		return err
	}
	if err = f(); err == nil {
		_, err = c.Exec("COMMIT")
	}
	if err != nil {
		c.Exec("ROLLBACK")
	}
	return err
}

func (c *conn) run(query string, args []any) (driver.Result, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), c.bind(args))
}

func (c *conn) prepare(query string) (stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	ds, err := c.dc.Prepare(query)
	if err != nil {
		return nil, err
	}
	s, ok := ds.(stmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite: the driver's statements are %T", ds), ds.Close())
	}
	c.stmts[query] = s
	return s, nil
}

// bind returns args as the driver takes them. What it returned before is no longer valid.
func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}
