package ordeal

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
)

// TestSoak has clients do everything at once for a while, with the configuration replaced under them and
// every part failing now and then, in both kinds. Then the books have to be in order.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5s; not with -short")
	}
	k := newKeys(t, t.TempDir())
	var c authority.Config
	ca := authoritytest.New(t, func(made *authority.Config) {
		own, err := k.config(made.Store, nil)
		require.NoError(t, err)
		*made = own
		c = own
		c.Issuers = slices.Clone(own.Issuers) // New puts its faults into the slices
	})
	s := listenHere(t, ca.Authority, &http.Server{}, nil)
	v := &soak{t: t, k: k, ca: ca, key: newKey(t), ledger: newLedger(), url: s.url, roots: k.pool(t), seen: map[string]int{}}
	c.Provisioners = ca.Authority.Provisioners() // those that fail on demand
	c.Sinks = []event.Sink{ca.Events}
	c.Issuers[0].Signer = &flaky{Signer: c.Issuers[0].Signer}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for i := range 8 {
		v.wg.Go(func() { v.work(ctx, i%2 == 0) })
	}
	v.wg.Go(func() { v.disturb(ctx) })
	v.wg.Go(func() { v.reconfigure(ctx, c) })
	v.wg.Wait()
	ca.Faults.Clear()
	ca.Check()
	all, faults := authoritytest.Verify(t.Context(), ca.Authority, v.received)
	require.Empty(t, faults)
	v.check(all)
	t.Logf("%d certificates received, %d tokens used, %d revoked, %d configurations; answers %v", len(v.received), v.subjects, len(v.revoked), v.configs, v.seen)
	require.Greater(t, len(v.received), 50)
}

type soak struct {
	*ledger
	t       *testing.T
	k       *keys
	ca      *authoritytest.CA
	key     *ecdsa.PrivateKey
	url     string
	roots   *x509.CertPool
	wg      sync.WaitGroup
	configs int

	count sync.Mutex
	seen  map[string]int // answers by request and status
}

// work goes through the life of one certificate after the other: sign, renew, rekey, revoke.
func (v *soak) work(ctx context.Context, h2 bool) {
	c := newClient(v.url, v.roots, h2)
	defer c.close()
	for ctx.Err() == nil {
		u, err := v.k.use(fmt.Sprintf("s%d.ordeal.internal", v.nextSubject()), v.key)
		if err != nil {
			v.t.Error(err)
			return
		}
		a := v.try("sign", http.StatusCreated, func() (*answer, error) { return c.sign(context.Background(), u.token, u.csr) })
		v.used(u, a != nil)
		if a == nil {
			continue
		}
		own := a.pair(v.key)
		holder := newClient(v.url, v.roots, h2, own)
		v.try("renew", http.StatusCreated, func() (*answer, error) { return holder.renew(context.Background()) })
		v.try("rekey", http.StatusCreated, func() (*answer, error) { return holder.rekey(context.Background(), u.csr) })
		v.revoking(own)
		if v.try("revoke", http.StatusOK, func() (*answer, error) { return holder.revoke(context.Background(), own.Leaf, "") }) != nil {
			v.revocation(own)
		}
		holder.close()
	}
}

// try sends a request until it is answered with more than "later", three times at most, and returns the
// answer if it is the one that is wanted. What was put off may have happened all the same.
func (v *soak) try(what string, want int, send func() (*answer, error)) *answer {
	for again := range 3 {
		a, err := send()
		if err != nil {
			v.t.Errorf("%s: %v", what, err)
			return nil
		}
		v.count.Lock()
		v.seen[fmt.Sprint(what, " ", a.status)]++
		v.count.Unlock()
		switch {
		case a.status == want:
			if a.leaf != nil {
				v.got(a, v.key)
			}
			return a
		case a.status == http.StatusServiceUnavailable:
		case again > 0 && (a.status == http.StatusUnauthorized || a.status == http.StatusBadRequest):
			return nil // the first time it did happen
		default:
			v.t.Errorf("%s, time %d: status %d", what, again+1, a.status)
			return nil
		}
	}
	return nil
}

// disturb makes one part or the other fail, before or after it did its work.
func (v *soak) disturb(ctx context.Context) {
	points := authoritytest.Points()
	for ctx.Err() == nil {
		p := points[rand.IntN(len(points))]
		if rand.IntN(2) == 0 {
			v.ca.Faults.Fail(p, 1+rand.IntN(2))
		} else {
			v.ca.Faults.FailAfter(p, 1+rand.IntN(2))
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	}
}

// reconfigure replaces the configuration by another one, and tries a bad one, every 50 ms.
func (v *soak) reconfigure(ctx context.Context, c authority.Config) {
	c.Store = nil // the authority's own stays
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		v.configs++
		c.Profiles = []authority.Profile{{Validity: authority.Validity{Default: time.Duration(1+v.configs%10) * time.Hour}}}
		if err := v.ca.Authority.Reconfigure(context.Background(), c); err != nil {
			v.t.Errorf("a good configuration was refused: %v", err)
		}
		if v.ca.Authority.Reconfigure(context.Background(), authority.Config{}) == nil {
			v.t.Error("an empty configuration was accepted")
		}
	}
}

func (v *soak) check(all records) {
	by := map[string]int{}
	for _, r := range all {
		if r.Operation == "x509/sign" && r.Provisioner == "admin" && r.Status == authority.Issued {
			by[r.Subject]++
		}
	}
	for subject, n := range by {
		require.Equal(v.t, 1, n, "certificates for the token of %s", subject)
	}
	for _, c := range v.revoked {
		require.NotNil(v.t, all[authority.SerialOf(c.Leaf.SerialNumber)].Revocation)
	}
}

// flaky is a signer that fails now and then, with a signature made or without.
type flaky struct{ kms.Signer }

func (f *flaky) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	switch rand.IntN(40) {
	case 0:
		return nil, authoritytest.ErrInjected
	case 1:
		sig, err := f.Signer.Sign(ctx, digest, opts)
		return sig, errors.Join(err, authoritytest.ErrInjected)
	}
	return f.Signer.Sign(ctx, digest, opts)
}
