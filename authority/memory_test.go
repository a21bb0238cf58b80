package authority_test

import (
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) authority.Store { return authority.NewMemory() })
}

func TestFaultyPassesEverything(t *testing.T) {
	storetest.Run(t, func(*testing.T) authority.Store { return &storetest.Faulty{Store: authority.NewMemory()} })
}

func BenchmarkNewMemory(b *testing.B) {
	for b.Loop() {
		authority.NewMemory()
	}
}
