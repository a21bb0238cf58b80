package authority_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever fails, and whether or not it took effect, the books are in order afterwards, and a client
// that tries again with the same token gets at most one certificate.
func TestFaultAtEveryStep(t *testing.T) {
	for _, point := range authoritytest.Points() {
		for _, after := range []bool{false, true} {
			for _, also := range []authoritytest.Point{"", authoritytest.Abandon, authoritytest.Read} {
				t.Run(fmt.Sprintf("%s after=%t with %s", point, after, also), func(t *testing.T) {
					m, err := inventory.NewMemory()
					require.NoError(t, err)
					ca := authoritytest.New(t, func(c *authority.Config) { c.Inventory = m })
					old := ca.Leaf("old.internal").Leaf
					for _, r := range []*authority.Request{signRequest(t, ca, "db.internal"), renewal(old)} {
						ca.Faults.Clear()
						if also != "" {
							ca.Faults.Fail(also, 1)
						}
						if after {
							ca.Faults.FailAfter(point, 1)
						} else {
							ca.Faults.Fail(point, 1)
						}
						_, first := ca.Try(r)
						ca.Faults.Clear()
						_, second := ca.Try(r)
						require.False(t, r.Token != "" && first == nil && second == nil, "two certificates for one token")
						if point != authoritytest.Commit && also == "" {
							require.True(t, first == nil || second == nil, "the retry failed: %v, %v", first, second)
						}
					}
					revokeTwice(t, ca, old, point, after)
					ca.Check()
				})
			}
		}
	}
}

func revokeTwice(t *testing.T, ca *authoritytest.CA, c *x509.Certificate, point authoritytest.Point, after bool) {
	t.Helper()
	if after {
		ca.Faults.FailAfter(point, 1)
	} else {
		ca.Faults.Fail(point, 1)
	}
	r := &authority.RevokeRequest{Serial: authority.SerialOf(c.SerialNumber), Local: true}
	ca.Authority.Revoke(t.Context(), r)
	ca.Faults.Clear()
	ca.Authority.Revoke(t.Context(), r)
	got, err := ca.Authority.Certificate(t.Context(), r.Serial)
	require.NoError(t, err)
	require.NotNil(t, got.Revocation)
}

// A commit that took effect although the store reported a failure is a success.
func TestCommitWhoseAnswerWasLost(t *testing.T) {
	ca := authoritytest.New(t)
	ca.Faults.FailAfter(authoritytest.Commit, 1)
	ca.Issue(signRequest(t, ca, "db.internal"))
	ca.Check()
}

type liar struct{ kms.Signer }

func (l liar) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	digest[0] ^= 1
	return l.Signer.Sign(ctx, digest, opts)
}

func TestSignatureOnSomethingElse(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) { c.Issuers[0].Signer = liar{c.Issuers[0].Signer} })
	r := signRequest(t, ca, "db.internal")
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Internal, "drift")
	_, err = ca.Try(r)
	requireRefused(t, err, authority.Unauthenticated, "spent") // a signature exists, so the token is gone
	require.Len(t, ca.Events.OfType(event.IssuanceAbandoned), 1)
	ca.Check()
}

func TestCallerGoesAwayAfterSigning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ca := authoritytest.New(t, func(c *authority.Config) { c.Issuers[0].Signer = canceller{c.Issuers[0].Signer, cancel} })
	r := signRequest(t, ca, "db.internal")
	c, err := ca.Authority.Issue(ctx, r)
	require.NoError(t, err)
	got, err := ca.Authority.Certificate(t.Context(), authority.SerialOf(c.Leaf.SerialNumber))
	require.NoError(t, err)
	require.Equal(t, authority.Issued, got.Status)
	ca.Check()
}

type canceller struct {
	kms.Signer
	cancel func()
}

func (c canceller) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	defer c.cancel()
	return c.Signer.Sign(ctx, digest, opts)
}

func TestReconcileAfterCrash(t *testing.T) {
	store := authority.NewMemory()
	ca := authoritytest.New(t, func(c *authority.Config) { c.Store = store })
	ca.Faults.Fail(authoritytest.Abandon, 1)
	ca.Faults.Fail(authoritytest.Sign, 1)
	r := signRequest(t, ca, "db.internal")
	_, err := ca.Try(r)
	require.ErrorIs(t, err, authority.Unavailable)
	page, err := store.List(t.Context(), authority.Query{Status: authority.Reserved})
	require.NoError(t, err)
	require.Len(t, page.Records, 1)

	n, err := ca.Authority.Reconcile(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, ca.Events.OfType(event.IssuanceAbandoned), 1)
	_, err = ca.Try(r)
	requireRefused(t, err, authority.Unauthenticated, "spent") // nobody can know that it was not signed
	ca.Check()
}

func TestOneTokenManyRequests(t *testing.T) {
	ca := authoritytest.New(t)
	r := signRequest(t, ca, "db.internal")
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 32 {
		wg.Go(func() {
			if _, err := ca.Try(r); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, won)
	ca.Check()
}

func TestReconfigureUnderLoad(t *testing.T) {
	ca := authoritytest.New(t)
	second := newKey(t, kms.ECDSAP256)
	rootKey := newKey(t, kms.ECDSAP256)
	root := caCertificate(t, "Other Root", nil, rootKey.Public(), rootKey)
	inter := caCertificate(t, "Other CA", root, second.Public(), rootKey)
	local := []provisioner.Provisioner{&provisioner.Local{ID: authoritytest.Local, AnyName: true}}
	one := authority.Issuer{Name: "intermediate", Chain: []*x509.Certificate{ca.Intermediate}, Signer: ca.Signer()}
	other := authority.Issuer{Name: "other", Chain: []*x509.Certificate{inter}, Signer: kms.FromCrypto(second)}
	configs := []authority.Config{
		{Roots: []*x509.Certificate{ca.Root, root}, Issuers: []authority.Issuer{one, other}, Provisioners: local, Sinks: []event.Sink{ca.Events}},
		{Roots: []*x509.Certificate{ca.Root, root}, Issuers: []authority.Issuer{other, one}, Provisioners: local, Sinks: []event.Sink{ca.Events}},
	}
	done := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				if err := ca.Authority.Reconfigure(context.Background(), configs[i%2]); err != nil {
					t.Error(err)
				}
				if err := ca.Authority.Reconfigure(context.Background(), authority.Config{}); err == nil {
					t.Error("an empty configuration was accepted")
				}
			}
		}
	})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 25 {
				c, err := ca.Try(&authority.Request{Provisioner: authoritytest.Local, Local: true, CSR: ca.CSR(newKey(t, kms.Ed25519), "db.internal")})
				if err != nil {
					t.Error(err)
				} else if err := c.Leaf.CheckSignatureFrom(c.Chain[1]); err != nil {
					t.Errorf("leaf and chain are of two configurations: %v", err)
				}
			}
		})
	}
	clients.Wait()
	close(done)
	swapper.Wait()
	require.NoError(t, ca.Authority.Reconfigure(t.Context(), configs[0]))
	ca.Check()
}

func TestClosed(t *testing.T) {
	ca := authoritytest.New(t)
	r := signRequest(t, ca, "db.internal")
	require.NoError(t, ca.Authority.Close())
	_, err := ca.Try(r)
	require.ErrorIs(t, err, authority.Unavailable)
	require.ErrorIs(t, err, authority.ErrClosed)
	require.NotNil(t, ca.Authority.Explain(t.Context(), r).Err)
}

func TestEveryFaultOfAConfigAtOnce(t *testing.T) {
	_, err := authority.New(authority.Config{
		URLs:     []string{"http://plain"},
		Issuers:  []authority.Issuer{{}},
		Profiles: []authority.Profile{{Name: "a", Issuer: "none"}, {Name: "a", Validity: authority.Validity{Min: 3, Max: 2}}},
		Bindings: map[string]authority.Binding{"x": {Profile: "y"}},
		Provisioners: []provisioner.Provisioner{
			provisioner.Func("p", nil), provisioner.Func("p", nil), provisioner.Func("", nil),
		},
		Outbox: []authority.Delivery{{Name: "q"}},
	})
	require.Error(t, err)
	for _, want := range []string{"no store", "no root", "no certificate", "two profiles", "not in order", `called "none"`, "no provisioner", "two provisioners", "no name", "https://host:port", "outbox"} {
		require.ErrorContains(t, err, want)
	}
}

var errDislike = errors.New("we do not like it")

func TestDecideHasTheLastWord(t *testing.T) {
	var seen []string
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Decide = func(_ context.Context, d *authority.Decision) error {
			seen = append(seen, d.Grant.Subject)
			if d.Grant.Subject == "evil.internal" {
				return errDislike
			}
			return nil
		}
	})
	old := ca.Issue(signRequest(t, ca, "good.internal")).Leaf
	_, err := ca.Try(signRequest(t, ca, "evil.internal"))
	requireRefused(t, err, authority.Denied, "decide")
	require.ErrorIs(t, err, errDislike)
	ca.Issue(renewal(old))
	require.Equal(t, []string{"good.internal", "evil.internal", "good.internal"}, seen)
	require.Len(t, ca.Events.OfType(event.RequestRefused), 1)
	ca.Check()
}
