package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// SchemaError says that a database was made by a newer version of this module.
type SchemaError struct{ Database, Program int64 }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("sqlstore: the database has schema version %d, this program knows %d: run a newer one", e.Database, e.Program)
}

// Migrate brings the schema up to date. A database that is newer than this program is a [*SchemaError],
// and is not touched.
func Migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	p, err := goose.NewProvider(dialect, db, files, goose.WithTableName("schema_versions"),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("sqlstore: reading migrations: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: reading the schema version: %w", err)
	}
	if have > want {
		return &SchemaError{Database: have, Program: want}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("sqlstore: migrating: %w", err)
	}
	return nil
}
