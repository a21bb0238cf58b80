package sqlstore

import (
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Version returns the schema version that this program knows, which Migrate brings databases to.
func Version(folder string) (int64, error) {
	names, err := fs.Glob(migrations, "migrations/"+folder+"/*.sql")
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %w", err)
	}
	var newest int64
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("sqlstore: migration %s: %w", name, err)
		}
		newest = max(newest, v)
	}
	return newest, nil
}
