package acme_test

import (
	"testing"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
)

func TestMemory(t *testing.T) {
	acmetest.Store(t, func(*testing.T) acme.Store { return acme.NewMemory() })
}
