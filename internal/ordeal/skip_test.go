package ordeal

import (
	"os"
	"testing"
)

// skip skips a test that this machine cannot run, and fails it where everything has to run.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CHANCERY_INTEROP") == "require" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
