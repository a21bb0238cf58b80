package webhook

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, "120": 2 * time.Minute, "000005": 5 * time.Second,
		"99999999": 24 * time.Hour, "99999999999999999999999": 24 * time.Hour,
		now.Add(time.Hour).Format(http.TimeFormat):        time.Hour,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
		now.Add(1000 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
		now.Add(time.Minute).Format(time.ANSIC):           time.Minute,
	} {
		got, ok := retryAfter(value, now)
		require.True(t, ok, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{"", "-1", "+1", "1.5", "1 ", "soon", "1s", now.Format(time.RFC3339)} {
		_, ok := retryAfter(value, now)
		require.False(t, ok, value)
	}
}

func FuzzRetryAfter(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzRetryAfter")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		wait, ok := retryAfter(value, now)
		require.True(t, wait >= 0 && wait <= maxRetryAfter)
		require.True(t, ok || wait == 0)
	})
}
