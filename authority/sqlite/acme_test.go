package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
)

func TestACME(t *testing.T) {
	acmetest.Store(t, func(t *testing.T) acme.Store { return open(t, filepath.Join(t.TempDir(), "ca.db")).ACME() })
}
