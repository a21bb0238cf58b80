package authority_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
)

// marks is a store whose marks can be made to fail or to be forgotten.
type marks struct {
	authority.Store
	fail   error
	forget bool
}

func (m *marks) SetMark(ctx context.Context, name string, at time.Time) error {
	if m.fail != nil {
		return m.fail
	}
	if m.forget {
		return nil
	}
	return m.Store.SetMark(ctx, name, at)
}

// notary is a signer that remembers what it signed last, and may spoil the signature or never answer.
type notary struct {
	kms.Signer
	signed      []byte
	spoil, hang bool
}

func (n *notary) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if n.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n.signed = digest
	sig, err := n.Signer.Sign(ctx, digest, opts)
	if n.spoil && err == nil {
		sig = bytes.Repeat([]byte{1}, len(sig))
	}
	return sig, err
}

// missing returns the codes of what Ready joined.
func missing(t *testing.T, err error) (codes []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	all := []error{err}
	if _, ok := err.(*authority.Error); !ok {
		all = err.(interface{ Unwrap() []error }).Unwrap()
	}
	for _, err := range all {
		e, ok := errors.AsType[*authority.Error](err)
		require.True(t, ok, "%v is no *Error", err)
		require.Equal(t, authority.Unavailable, e.Kind)
		codes = append(codes, e.Code)
	}
	return codes
}

func TestReady(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*marks, *notary)
		want  []string
	}{
		"well":                        {func(*marks, *notary) {}, nil},
		"the store is read-only":      {func(m *marks, _ *notary) { m.fail = authority.ErrReadOnly }, []string{"store"}},
		"the store is full":           {func(m *marks, _ *notary) { m.fail = authority.ErrFull }, []string{"store"}},
		"the store forgets":           {func(m *marks, _ *notary) { m.forget = true }, []string{"store"}},
		"the key does not answer":     {func(_ *marks, n *notary) { n.hang = true }, []string{"signer"}},
		"the key makes no signatures": {func(_ *marks, n *notary) { n.spoil = true }, []string{"signer"}},
		"both":                        {func(m *marks, n *notary) { m.fail, n.spoil = authority.ErrReadOnly, true }, []string{"store", "signer"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, n := &marks{}, &notary{}
				ca := authoritytest.New(t, func(c *authority.Config) {
					m.Store, c.Store = c.Store, m
					n.Signer, c.Issuers[0].Signer = c.Issuers[0].Signer, n
				})
				require.NoError(t, ca.Authority.Ready(t.Context()))
				m.Store = authority.NewMemory() // which has no mark yet
				c.spoil(m, n)
				began := time.Now()
				require.Equal(t, c.want, missing(t, ca.Authority.Ready(t.Context())))
				require.LessOrEqual(t, time.Since(began), 3*time.Second)
			})
		})
	}
}

func TestReadyWhenChainEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		require.NoError(t, ca.Authority.Ready(t.Context()))
		time.Sleep(time.Until(ca.Intermediate.NotAfter) + time.Second)
		require.Equal(t, []string{"chain"}, missing(t, ca.Authority.Ready(t.Context())))
	})
}

func TestReadyWhenSinkIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t, func(c *authority.Config) {
			nobody := event.SinkFunc(func(context.Context, event.Event) error { return nil })
			c.Outbox = []authority.Delivery{{Name: "audit", Sink: nobody, HoldAfter: time.Minute}}
		})
		require.NoError(t, ca.Authority.Ready(t.Context()))
		ca.Leaf("db.internal") // its event is delivered by nobody: Run does not run
		require.NoError(t, ca.Authority.Ready(t.Context()))
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{"sinks"}, missing(t, ca.Authority.Ready(t.Context())))
	})
}

func TestReadyWhenClosed(t *testing.T) {
	ca := authoritytest.New(t)
	require.NoError(t, ca.Authority.Close())
	err := ca.Authority.Ready(t.Context())
	require.ErrorIs(t, err, authority.ErrClosed)
	require.Equal(t, []string{"closed"}, missing(t, err))
}

// What Ready has signed must be useless to whoever gets the signature: with Ed25519 the signer sees the
// message itself, which must not begin as a DER SEQUENCE, and must be the same each time.
func TestReadySignsNothingOfUse(t *testing.T) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	n := &notary{Signer: kms.FromCrypto(priv)}
	root := caCertificate(t, "Ed Root", nil, pub, priv)
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Roots = []*x509.Certificate{root}
		c.Issuers = []authority.Issuer{{Name: "root", Chain: c.Roots, Signer: n}, {Name: "old", State: authority.Retired, Chain: c.Roots}}
	})
	require.NoError(t, ca.Authority.Ready(t.Context()))
	first := n.signed
	require.Equal(t, "chancery/", string(first[:9]))
	require.NoError(t, ca.Authority.Ready(t.Context()))
	require.Equal(t, first, n.signed)
}
