package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/stepconfig"
)

// errDB says what -db can be.
var errDB = errors.New("-db must be a URL such as postgres://user@host/database; other stores are named in ca.json")

func checkDB(db string) error {
	if db != "" && !strings.HasPrefix(db, "postgres://") && !strings.HasPrefix(db, "postgresql://") {
		return errDB
	}
	return nil
}

// openStore opens what the file names, or what -db does instead. To look only, a SQLite file is opened beside
// the process that has it.
func (c *folder) openStore(ctx context.Context, f *stepconfig.File, look bool) (stepconfig.Store, error) {
	if c.db == "" {
		s, err := f.OpenStore(ctx, &stepconfig.StoreOptions{PostgreSQL: openPostgres, ReadOnly: look, Restored: c.restored})
		if db, ok := s.(*sqlite.Store); ok && db.Gap() != nil {
			c.log.Warn("the database was restored from an older copy, or its journal was lost", "found", db.Gap().String())
		}
		return s, err
	}
	s, err := openPostgres(ctx, c.db)
	if err != nil {
		return nil, fmt.Errorf("-db: %w", err)
	}
	return s, nil
}

func openPostgres(ctx context.Context, source string) (stepconfig.Store, error) {
	s, err := postgres.Open(ctx, source, nil)
	if err != nil {
		return nil, err // not a Store that holds a nil pointer
	}
	return s, nil
}
