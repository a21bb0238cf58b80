package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event/webhook"
)

func TestParseSecret(t *testing.T) {
	b64 := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, n := range []int{24, 32, 33, 64} {
		s, err := webhook.ParseSecret("whsec_" + b64(n))
		require.NoError(t, err)
		require.Equal(t, "whsec_"+b64(n), s.Reveal())
		require.False(t, s.IsZero())
	}
	for text, want := range map[string]error{
		"": webhook.ErrSecretPrefix, b64(32): webhook.ErrSecretPrefix, "WHSEC_" + b64(32): webhook.ErrSecretPrefix,
		" whsec_" + b64(32): webhook.ErrSecretPrefix, "whsk_" + b64(32): webhook.ErrSecretPrefix,
		"whsec_": webhook.ErrSecretLength, "whsec_" + b64(23): webhook.ErrSecretLength, "whsec_" + b64(65): webhook.ErrSecretLength,
		"whsec_" + strings.Repeat("A", 1<<20):      webhook.ErrSecretLength,
		"whsec_" + strings.TrimRight(b64(32), "="): webhook.ErrSecretEncoding, "whsec_" + b64(32) + "\n": webhook.ErrSecretEncoding,
		"whsec_" + strings.Repeat("-_", 16): webhook.ErrSecretEncoding, "whsec_" + b64(32)[:42] + "B=": webhook.ErrSecretEncoding,
	} {
		s, err := webhook.ParseSecret(text)
		require.ErrorIs(t, err, want, "%.80q", text)
		require.True(t, s.IsZero())
		require.Empty(t, s.Reveal())
	}
	require.NotEqual(t, webhook.NewSecret().Reveal(), webhook.NewSecret().Reveal())
}

// A secret is nowhere but in Reveal.
func TestSecretHides(t *testing.T) {
	s := secret(t, oldSecret)
	key, err := base64.StdEncoding.DecodeString(oldSecret[6:])
	require.NoError(t, err)
	c := webhook.Config{Secrets: []webhook.Secret{s}}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, c), fmt.Sprintf(verb, struct{ s webhook.Secret }{s}))
	}
	b, err := json.Marshal(map[string]any{"s": s, "p": &s})
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "c", c.Secrets)
	for _, text := range append(shown, string(b), log.String(), s.String()) {
		for _, form := range []string{oldSecret[6:20], fmt.Sprintf("%x", key[:6]), fmt.Sprintf("%X", key[:6]), fmt.Sprint(key[:3])[1:8], fmt.Sprintf("%#v", key[:3])[7:20]} {
			require.NotContains(t, text, form)
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzParseSecret")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := webhook.ParseSecret(text)
		if err != nil {
			require.True(t, s.IsZero())
			return
		}
		require.Equal(t, text, s.Reveal(), "one spelling only")
	})
}
