package sqlite

import (
	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// ACME returns the store of ACME servers that is in the same file. It is open as long as s is, and its errors are those
// of s beside its own.
func (s *Store) ACME() acme.Store { return &sqlstore.ACME{Write: s.do, Read: s.read} }
