package stepconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
)

// sqliteFile is our store, beside what step-ca would keep there.
const sqliteFile = "chancery.sqlite"

// Store is an authority's store that somebody has to close, and what ACME provisioners keep in the same place.
type Store interface {
	authority.Store
	io.Closer
	ACME() acme.Store
}

type memory struct {
	*authority.Memory
	orders *acme.Memory
}

func (memory) Close() error { return nil }

func (m memory) ACME() acme.Store { return m.orders }

// StoreOptions say how OpenStore opens what the file names.
type StoreOptions struct {
	// PostgreSQL opens the database that a connection string names; nil refuses it. A program that wants it
	// passes authority/postgres's Open. So one that does not links no PostgreSQL driver, which is larger than
	// everything else that it would have of this module.
	PostgreSQL func(ctx context.Context, source string) (Store, error)

	// ReadOnly opens a SQLite file to look into it, also while another process has it. Writing fails with
	// authority.ErrReadOnly. It changes nothing for PostgreSQL. Records that are kept in memory are in another
	// process, so then it is an error.
	ReadOnly bool

	// Restored is what to do with a SQLite file that was restored from an older copy.
	Restored sqlite.Restored
}

// OpenStore opens the store that the file names: a PostgreSQL database, the SQLite file at f.DB.Path, or one
// in memory. A nil o means the zero StoreOptions.
func (f *File) OpenStore(ctx context.Context, o *StoreOptions) (Store, error) {
	if o == nil {
		o = &StoreOptions{}
	}
	switch {
	case f.DB.Type == PostgreSQL:
		return f.openPostgreSQL(ctx, o)
	case f.DB.Path == "" && o.ReadOnly:
		return nil, f.Fault("db", errors.New("there is none, so records are in the server's memory only"))
	case f.DB.Path == "":
		return memory{authority.NewMemory(), acme.NewMemory()}, nil
	}
	if o.ReadOnly {
		return f.openSQLite(ctx, &sqlite.Options{ReadOnly: true})
	}
	if err := os.MkdirAll(filepath.Dir(f.DB.Path), 0o700); err != nil {
		return nil, fmt.Errorf("stepconfig: %w", err)
	}
	return f.openSQLite(ctx, &sqlite.Options{Restored: o.Restored})
}

func (f *File) openSQLite(ctx context.Context, o *sqlite.Options) (Store, error) {
	s, err := sqlite.Open(ctx, f.DB.Path, o)
	if err != nil {
		return nil, err // not a Store that holds a nil pointer
	}
	return s, nil
}

func (f *File) openPostgreSQL(ctx context.Context, o *StoreOptions) (Store, error) {
	if o.PostgreSQL == nil {
		return nil, f.Fault("db.type", errors.New("this program was built without PostgreSQL"))
	}
	s, err := o.PostgreSQL(ctx, f.DB.Source)
	if err != nil {
		return nil, f.Fault("db.dataSource", err)
	}
	return s, nil
}
