package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/pressly/goose/v3"
	modernc "modernc.org/sqlite"
)

// Options tune a Store. The zero value, and nil, is right for most.
type Options struct {
	Readers int // connections for reading; default 4
	Group   int // writes that share one transaction at most; default 128

	// ReadOnly opens a file to look into it, also while another Store writes it: without the lock, and
	// without making or migrating anything. Every method that writes, and Lease, is authority.ErrReadOnly. The
	// file must be there, in the schema of this version. SQLite still needs files of its own beside it (-wal
	// and -shm), so where there is no Store that has made them, its folder must be writable.
	ReadOnly bool

	Journal  string   // the file with the journal; default the database's name and ".ledger". Best on another disk
	Restored Restored // what to do with a database that is older than its journal; default nothing, see ErrRestored
}

// Store is an open database. It implements authority.Store and is safe for concurrent use.
type Store struct {
	path    string
	journal string
	lock    *fileLock
	opened  time.Time // when the lock was got

	ops  chan *op
	life context.Context // ends when Close begins
	end  context.CancelFunc
	done chan struct{} // closed when the writer has ended
	err  error         // of closing; valid after done

	readers chan *conn // as many as there may be; nil is one not opened yet

	leases leases

	readOnly  bool
	refusal   error     // what writing comes to, without a writer; nil: there is one
	gap       *Gap      // nil: none
	over      *overlay  // nil: what is read is as it is in the file
	closeOnce sync.Once // of closeReaders

	ledger *ledger // the writer's

	hopeless time.Time // when a disk last stayed full; the writer's
}

var (
	_ authority.Store     = (*Store)(nil)
	_ authority.Exclusive = (*Store)(nil)
)

// SchemaError says that the file was made by a newer version of this module.
type SchemaError = sqlstore.SchemaError

// Open opens the database at path, an ordinary file name, and makes it if there is none, readable by
// its owner only. It also starts the writer, which lives until Close.
//
// The error is authority.ErrLocked if another Store, in this process or another, has the file open;
// authority.ErrReadOnly if it or its folder cannot be written; authority.ErrFull without space;
// [ErrCorrupt] if it is no intact database; a [*SchemaError] if it is too new for this program.
//
// How long Open takes does not depend on how much is stored. It does not reconcile: that needs events,
// and is for the authority to do.
func Open(ctx context.Context, path string, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if o.Group <= 0 {
		o.Group = 128
	}
	if o.ReadOnly {
		return openReadOnly(path, o)
	}
	path, err := create(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, openError(path, err)
	}
	w, err := openWriter(ctx, path)
	if err != nil {
		lock.release()
		return nil, err
	}
	s := &Store{
		path: path, journal: journalOf(path, o), lock: lock, opened: time.Now(), ops: make(chan *op, o.Group),
		done: make(chan struct{}), readers: make(chan *conn, o.Readers),
	}
	s.life, s.end = context.WithCancel(context.Background())
	for range o.Readers {
		s.readers <- nil
	}
	if err := s.catchUp(w, o); err != nil {
		s.end()
		return nil, errors.Join(openError(path, err), w.close(), lock.release())
	}
	if s.refusal != nil {
		if err := w.close(); err != nil {
			return nil, errors.Join(openError(path, err), s.Close())
		}
		return s, nil
	}
	go s.write(w, o.Group)
	return s, nil
}

// Close ends the writer, after what it is doing now, and closes the file. Whatever waits, and every
// call after it, gets authority.ErrClosed. Closing twice is no error.
func (s *Store) Close() error {
	s.end()
	if s.refusal != nil {
		s.closeOnce.Do(s.closeReaders)
	}
	<-s.done
	return s.err
}

// refuse returns why nothing is written, or nil.
func (s *Store) refuse() error {
	if s.life.Err() != nil {
		return authority.ErrClosed
	}
	return s.refusal
}

func journalOf(path string, o Options) string {
	if o.Journal != "" {
		return o.Journal
	}
	return path + ".ledger"
}

// create makes the file if there is none, and returns its name without symbolic links, so that one file
// has one lock.
func create(path string) (string, error) {
	if path == "" {
		return "", errors.New("sqlite: no path")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", openError(path, err)
	}
	if err := f.Close(); err != nil {
		return "", openError(path, err)
	}
	if path, err = filepath.EvalSymlinks(path); err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", openError(path, err)
	}
	return path, nil
}

// openWriter opens the connection that writes, and brings the schema up to date over it.
func openWriter(ctx context.Context, path string) (*conn, error) {
	if err := migrate(ctx, path); err != nil {
		return nil, openError(path, err)
	}
	c, err := dial(dsn(path, "rw", "cache_size(-32768)", fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages),
		"journal_size_limit(16777216)"))
	if err != nil {
		return nil, openError(path, err)
	}
	return c, nil
}

// checkpointPages is how long the WAL grows before its pages go to the database: 16 MiB. Shorter, and
// pages that change all the time are copied more often; longer, and the pause is.
const checkpointPages = 4096

func migrate(ctx context.Context, path string) (err error) {
	connector, err := modernc.NewConnector(dsn(path, "rw"))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := claim(ctx, db); err != nil {
		return err
	}
	return sqlstore.Migrate(ctx, db, goose.DialectSQLite3, "sqlite")
}

// applicationID marks the file as ours: "chcy".
const applicationID = 0x63686379

// claim refuses a database that belongs to another program, and switches ours to WAL.
func claim(ctx context.Context, db *sql.DB) error {
	var id, tables int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)").Scan(&tables); err != nil {
		return err
	}
	if id != applicationID {
		if id != 0 || tables != 0 {
			return errForeign
		}
		if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
			return err
		}
	}
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("journal mode is %q: this file system has no WAL", mode)
	}
	return nil
}

// dsn names the file to the driver.
func dsn(path, mode string, pragmas ...string) string {
	p := filepath.ToSlash(path)
	if p[0] != '/' {
		p = "/" + p // a drive letter
	}
	v := url.Values{"mode": {mode}, "_pragma": append([]string{
		"busy_timeout(5000)", "synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)", "temp_store(MEMORY)",
	}, pragmas...)}
	u := url.URL{Scheme: "file", Path: p, RawQuery: v.Encode()}
	return u.String()
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, errHeld):
		err = authority.ErrLocked
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("sqlite: opening %s: %w", path, err)
	default:
		err = translate(err)
	}
	return fmt.Errorf("sqlite: opening %s: %w", path, err)
}
