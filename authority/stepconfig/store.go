package stepconfig

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
)

// sqliteFile is our store, beside what step-ca would keep there.
const sqliteFile = "chancery.sqlite"

// Store is an authority's store that somebody has to close.
type Store interface {
	authority.Store
	io.Closer
}

type memory struct{ *authority.Memory }

func (memory) Close() error { return nil }

// OpenStore opens the store that the file names: the SQLite file at f.DB.Path, or one in memory.
func (f *File) OpenStore(ctx context.Context) (Store, error) {
	if f.DB.Path == "" {
		return memory{authority.NewMemory()}, nil
	}
	if err := os.MkdirAll(filepath.Dir(f.DB.Path), 0o700); err != nil {
		return nil, fmt.Errorf("stepconfig: %w", err)
	}
	s, err := sqlite.Open(ctx, f.DB.Path, nil)
	if err != nil {
		return nil, err // not a Store that holds a nil pointer
	}
	return s, nil
}
