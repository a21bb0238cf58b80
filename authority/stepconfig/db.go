package stepconfig

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DB is the db section.
type DB struct {
	Type   string // as the file says it; empty when there is none, which means memory
	Source string // dataSource, with the database in it for PostgreSQL; it may hold a password
	Path   string // of our SQLite file; empty for memory and for PostgreSQL
}

// PostgreSQL is the DB.Type that means a PostgreSQL database.
const PostgreSQL = "postgresql"

// readDB chooses the store: step's own kinds keep their history in formats of their own, so that ours is a
// file beside them.
func (f *File) readDB(s *section) DB {
	s.ignore("badgerFileLoadingMode", "valueDir", "logger") // matters of stores that are not opened
	if s.empty() {
		s.ignore("database")
		s.close()
		f.warn("db: there is none, so what was issued and which tokens are spent is forgotten at exit")
		return DB{}
	}
	db := DB{Type: s.required("type"), Source: s.str("dataSource")}
	database := s.str("database")
	switch strings.ToLower(db.Type) {
	case "":
	case "badger", "badgerv1", "badgerv2":
		dir := f.resolve(s.required("dataSource"))
		db.Path = filepath.Join(dir, sqliteFile)
		if entries, err := os.ReadDir(dir); err == nil && slices.ContainsFunc(entries, notOurs) {
			f.warnHistory(db.Path, dir)
		}
	case "bbolt":
		file := f.resolve(s.required("dataSource"))
		db.Path = filepath.Join(filepath.Dir(file), sqliteFile)
		if _, err := os.Stat(file); err == nil {
			f.warnHistory(db.Path, file)
		}
	case "mysql":
		db.Path = filepath.Join(f.Base, "db", sqliteFile)
		f.warnHistory(db.Path, "MySQL")
	case PostgreSQL:
		db.Type = PostgreSQL
		if s.required("dataSource"); database != "" && db.Source != "" {
			var ok bool
			if db.Source, ok = withDatabase(db.Source, database); !ok {
				s.faults.add(s.at("dataSource"), "is not a URL") // which may hold a password
			}
		}
	default:
		s.faults.add(s.at("type"), "%q is not supported by this version", db.Type)
	}
	s.close()
	return db
}

// withDatabase puts the name of a database into a connection string, a URL or keywords, as step-ca does.
func withDatabase(source, name string) (string, bool) {
	if !strings.HasPrefix(source, "postgres://") && !strings.HasPrefix(source, "postgresql://") {
		return source + " dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'", true
	}
	u, err := url.Parse(source)
	if err != nil {
		return "", false
	}
	u.Path, u.RawPath = "/"+name, ""
	return u.String(), true
}

// warnHistory warns before the first start. Later there is history of our own, and what is in the other
// place may come from a `step ca token --offline`.
func (f *File) warnHistory(ours, theirs string) {
	if _, err := os.Stat(ours); errors.Is(err, fs.ErrNotExist) {
		f.warn("db: what step-ca kept in %s is not carried over: certificates it issued are known by their signature, and those it revoked are not known to be; records go to %s", theirs, ours)
	}
}

func notOurs(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), sqliteFile) }
