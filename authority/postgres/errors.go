package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/jackc/pgx/v5/pgconn"
)

// judge says what became of a write whose context was late, and whose caller's is ctx: if late has ended
// while it was being committed, nobody knows.
func judge(ctx, late context.Context, err error) error {
	if err == nil || late.Err() == nil || sqlstore.IsDomain(err) || isHarmless(err) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: no answer before or after the end of the context: %w", authority.ErrUnavailable, ctx.Err())
	}
	return fmt.Errorf("%w: no answer in time", authority.ErrUnavailable)
}

// translate says in the words of package authority what the driver or the server said. ctx is that of the
// caller, whose errors stay as they are.
func translate(ctx context.Context, err error) error {
	if h, ok := err.(harmless); ok {
		err = h.error
	}
	if w, ok := err.(waited); ok {
		err = w.error
	}
	if err == nil || sqlstore.IsDomain(err) || errors.Is(err, authority.ErrUnavailable) {
		return err
	}
	if e := ctx.Err(); e != nil && isTimeout(err) {
		return e
	}
	kind := kindOf(err)
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = errors.New(e.Error()) // the error itself holds the configuration, password and all
	}
	switch {
	case kind == nil:
		return err
	case isTimeout(err): // of ours, which must not look like one of the caller's
		return fmt.Errorf("%w: %s", kind, err)
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func kindOf(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "53100": // disk_full
			return authority.ErrFull
		case e.Code == "25006": // read_only_sql_transaction: a standby
			return authority.ErrReadOnly
		case isGone(e.Code), isTransient(e.Code):
			return authority.ErrUnavailable
		}
		return nil
	}
	if isLost(err) || isTimeout(err) {
		return authority.ErrUnavailable
	}
	return nil
}

// isGone reports whether a server has ended, or does not begin, a session. See PostgreSQL's appendix A for
// the codes.
func isGone(code string) bool {
	return strings.HasPrefix(code, "08") || // connection_exception
		code == "57P01" || code == "57P02" || code == "57P03" || code == "57P05" || // shutting down, crashed, starting, idle
		code == "25P03" || code == "25P04" // idle in transaction, transaction timeout
}

// isTransient reports whether the server may do later what it does not do now.
func isTransient(code string) bool {
	switch code {
	case "57014", // query_canceled: the statement timeout
		"55P03",          // lock_not_available
		"40001", "40P01": // serialization_failure and deadlock_detected, again and again
		return true
	}
	return strings.HasPrefix(code, "53") || // insufficient_resources, too_many_connections among them
		strings.HasPrefix(code, "58") // system_error: input and output
}

func isTimeout(err error) bool {
	return pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// isLost reports whether there is no connection, or no longer.
func isLost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isGone(e.Code)
	}
	if isTimeout(err) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || pgconn.SafeToRetry(err)
}
