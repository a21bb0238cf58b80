package krl_test

import (
	"os"
	"path/filepath"
	"testing"
)

func requireSeeds(f *testing.F, target string) {
	f.Helper()
	seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}
