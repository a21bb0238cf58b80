package acmetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

// ValidatorCase is what [Validator] needs to try a validator.
type ValidatorCase struct {
	Validator acme.Validator

	// Good returns a validation that passes. Each call may prepare the world anew.
	Good func(t *testing.T) *acme.Validation

	// Bad returns one that fails because somebody gave the wrong answer, which contains Secret.
	Bad    func(t *testing.T) *acme.Validation
	Secret string

	// Stuck returns one that nobody ever answers; nil for validators that ask nobody.
	Stuck func(t *testing.T) *acme.Validation
}

// Validator says what an acme.Validator must do.
func Validator(t *testing.T, c ValidatorCase) {
	v := c.Validator
	t.Run("type", func(t *testing.T) {
		require.NotEmpty(t, v.Type())
		require.Equal(t, v.Type(), v.Type())
	})
	t.Run("offers", func(t *testing.T) {
		for _, id := range []acme.Identifier{
			{}, {Type: acme.DNS}, {Type: acme.DNS, Value: "a.test"}, {Type: acme.DNS, Value: "*.a.test"}, {Type: acme.DNS, Value: "*."}, {Type: acme.IP, Value: "192.0.2.1"},
			{Type: acme.IP, Value: "nonsense"}, {Type: acme.PermanentIdentifier, Value: "1"}, {Type: acme.HardwareModule, Value: "1"}, {Type: "other", Value: "x"},
		} {
			yes := v.Offers(id)
			require.Equal(t, yes, v.Offers(id), "%s: it has changed its mind", id)
			require.False(t, yes && id.Type == "other", "it is for a type that nobody knows")
			if k := v.Type(); k == acme.HTTP01 || k == acme.TLSALPN01 {
				require.False(t, yes && id.Wildcard(), "%s proves nothing about a wildcard", k)
			}
		}
		require.True(t, v.Offers(c.Good(t).Identifier))
	})
	t.Run("good", func(t *testing.T) {
		q := c.Good(t)
		before, err := json.Marshal(q)
		require.NoError(t, err)
		e, err := v.Validate(t.Context(), q)
		require.NoError(t, err)
		require.NotNil(t, e)
		after, err := json.Marshal(q)
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), "what it was given is not its own")
	})
	t.Run("bad", func(t *testing.T) {
		e, err := v.Validate(t.Context(), c.Bad(t))
		require.Nil(t, e)
		p, ok := errors.AsType[*acme.Problem](err)
		require.True(t, ok, "a wrong answer is a problem: %v", err)
		require.NotEmpty(t, p.Detail)
		b, err := json.Marshal(p)
		require.NoError(t, err)
		if c.Secret != "" {
			require.NotContains(t, string(b), c.Secret, "the client is told what somebody else's server said")
		}
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		_, err := v.Validate(ctx, c.Bad(t))
		require.Error(t, err)
		require.Less(t, time.Since(start), 5*time.Second)
		if c.Stuck == nil {
			return
		}
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start = time.Now()
		_, err = v.Validate(ctx, c.Stuck(t))
		require.Error(t, err)
		_, ok := errors.AsType[*acme.Problem](err)
		require.False(t, ok, "that the caller ends it says nothing about the client")
		require.Less(t, time.Since(start), 5*time.Second)
	})
	t.Run("at once", func(t *testing.T) {
		good, bad := c.Good(t), c.Bad(t)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				q := *bad
				if i%2 == 0 {
					q = *good
				}
				if e, err := v.Validate(t.Context(), &q); (e != nil) != (err == nil) {
					t.Errorf("evidence %v and error %v", e, err)
				}
			})
		}
		wg.Wait()
	})
}
