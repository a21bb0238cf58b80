package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secretPrefix = "whsec_"
	minKey       = 24 // bytes, as Standard Webhooks has it
	maxKey       = 64
)

// What ParseSecret finds wrong. None of them says anything of the secret itself.
var (
	ErrSecretPrefix   = errors.New(`webhook: a secret begins with "whsec_"`)
	ErrSecretEncoding = errors.New("webhook: a secret is standard base64, with padding, after its prefix")
	ErrSecretLength   = errors.New("webhook: a secret has 24 to 64 bytes")
)

// Secret is a key of the symmetric signatures (v1) of Standard Webhooks. It does not show itself when it is
// printed, logged or put into JSON. The zero Secret is none.
type Secret struct {
	// Functions, as whatever walks through values by reflection finds nothing in them.
	reveal func() string
	sign   func(id string, at time.Time, body []byte) (string, error)
}

// ParseSecret reads a secret: "whsec_" and the base64 of 24 to 64 random bytes. Errors are
// [ErrSecretPrefix], [ErrSecretEncoding] and [ErrSecretLength].
func ParseSecret(s string) (Secret, error) {
	text, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return Secret{}, ErrSecretPrefix
	}
	if len(text) > base64.StdEncoding.EncodedLen(maxKey) {
		return Secret{}, ErrSecretLength
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(key) != text { // the decoder skips line ends
		return Secret{}, ErrSecretEncoding
	}
	return newSecret(key)
}

// NewSecret returns a new random secret of 32 bytes.
func NewSecret() Secret {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	s, _ := newSecret(key)
	return s
}

func newSecret(key []byte) (Secret, error) {
	if len(key) < minKey || len(key) > maxKey {
		return Secret{}, ErrSecretLength
	}
	w, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		return Secret{}, errors.New("webhook: the secret is not usable")
	}
	return Secret{
		reveal: func() string { return secretPrefix + base64.StdEncoding.EncodeToString(key) },
		sign:   w.Sign,
	}, nil
}

// Reveal returns the text that ParseSecret reads, to be handed to the receiver; empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether s is no secret.
func (s Secret) IsZero() bool { return s.sign == nil }

const hidden = "[secret]"

// String implements fmt.Stringer without the secret.
func (s Secret) String() string { return hidden }

// Format implements fmt.Formatter without the secret.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// LogValue implements slog.LogValuer without the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler without the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// signatures are those of all secrets, so that a receiver may know the old one or the new.
func signatures(secrets []Secret, id string, at time.Time, body []byte) (string, error) {
	all := make([]string, 0, len(secrets))
	for _, s := range secrets {
		signature, err := s.sign(id, at, body)
		if err != nil {
			return "", err
		}
		all = append(all, signature)
	}
	return strings.Join(all, " "), nil
}
