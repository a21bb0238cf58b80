package acmetest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
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

	// Fault returns one that fails through a fault of the CA's side; nil if there is no telling how it could.
	Fault func(t *testing.T) *acme.Validation
}

// identifiers are what a validator is asked about. Those that no order can have are not to disturb it.
func identifiers() []acme.Identifier {
	ids := []acme.Identifier{{}, {Type: "other", Value: "x"}}
	for _, t := range []acme.IdentifierType{acme.DNS, acme.IP, acme.PermanentIdentifier, acme.HardwareModule} {
		for _, v := range []string{
			"", "a.test", "*.a.test", "*.", "*", ".", "..", "a..test", "A.test", "xn--a", "a.test.", "a b\x00\n\xff", "\u00e4.test", "localhost", "1",
			"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "[::1]", "192.0.2.1:80", "nonsense", strings.Repeat("a.", 1<<15),
		} {
			ids = append(ids, acme.Identifier{Type: t, Value: v})
		}
	}
	return ids
}

// unusable are validations that no CA asks for, each made from a good one.
func unusable(good *acme.Validation) (out []*acme.Validation) {
	for _, spoil := range []func(*acme.Validation){
		func(q *acme.Validation) { *q = acme.Validation{} },
		func(q *acme.Validation) { q.Identifier = acme.Identifier{Type: "other", Value: "x"} },
		func(q *acme.Validation) { q.Identifier.Value = "" },
		func(q *acme.Validation) { q.Identifier.Value = "../../x\r\nHost: y\x00" },
	} {
		q := *good
		spoil(&q)
		out = append(out, &q)
	}
	return out
}

// Validator says what an acme.Validator must do.
func Validator(t *testing.T, c ValidatorCase) {
	v := c.Validator
	t.Run("type", func(t *testing.T) {
		require.NotEmpty(t, v.Type())
		require.Equal(t, v.Type(), v.Type())
	})
	t.Run("offers", func(t *testing.T) {
		for _, id := range identifiers() {
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
		q := c.Bad(t)
		before, err := json.Marshal(q)
		require.NoError(t, err)
		e, err := v.Validate(t.Context(), q)
		require.Nil(t, e)
		after, merr := json.Marshal(q)
		require.NoError(t, merr)
		require.Equal(t, string(before), string(after), "what it was given is not its own")
		p, ok := errors.AsType[*acme.Problem](err)
		require.True(t, ok, "a wrong answer is a problem: %v", err)
		require.NotEmpty(t, p.Detail)
		require.Contains(t, acme.ProblemTypes(), p.Type)
		b, err := json.Marshal(p)
		require.NoError(t, err)
		if c.Secret != "" {
			require.NotContains(t, string(b), c.Secret, "the client is told what somebody else's server said")
		}
	})
	t.Run("unusable", func(t *testing.T) {
		for _, q := range unusable(c.Good(t)) {
			e, err := v.Validate(t.Context(), q)
			require.Nil(t, e, "%q", q.Identifier)
			require.Error(t, err, "%q", q.Identifier)
		}
	})
	t.Run("fault", func(t *testing.T) {
		if c.Fault == nil {
			t.Skip("nothing is known that could fail")
		}
		e, err := v.Validate(t.Context(), c.Fault(t))
		require.Nil(t, e)
		require.Error(t, err)
		p, ok := errors.AsType[*acme.Problem](err)
		require.False(t, ok, "a fault of this side is told as the client's: %v", p)
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		e, err := v.Validate(ctx, c.Bad(t))
		require.Error(t, err)
		require.Nil(t, e)
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
