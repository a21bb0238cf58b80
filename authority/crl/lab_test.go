package crl_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// base is where the CRLs of the tests are said to be.
const base = "http://crl.test"

// lab is an authority with two issuers, "a" and "b", under one root.
type lab struct {
	testing.TB
	ca     *authority.Authority
	config authority.Config
	store  authority.Store
	root   *x509.Certificate
	key    map[string]*ecdsa.PrivateKey // by issuer

	mu sync.Mutex
	n  int64
}

func newLab(t testing.TB, change ...func(*authority.Config)) *lab {
	t.Helper()
	l := &lab{TB: t, key: map[string]*ecdsa.PrivateKey{}}
	rootKey := newKey(t)
	l.root = certificate(t, "Root", nil, rootKey, rootKey, nil)
	c := authority.Config{
		Roots: []*x509.Certificate{l.root}, Store: authority.NewMemory(),
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: authoritytest.Local, AnyName: true}},
		Profiles:     []authority.Profile{{Name: "b", Issuer: "b"}},
		Bindings:     map[string]authority.Binding{authoritytest.Local: {Profiles: []string{"b"}}},
	}
	for _, name := range []string{"a", "b"} {
		l.key[name] = newKey(t)
		cert := certificate(t, "Issuer "+name, l.root, l.key[name], rootKey, nil)
		c.Issuers = append(c.Issuers, authority.Issuer{
			Name: name, Chain: []*x509.Certificate{cert}, Signer: kms.FromCrypto(l.key[name]), Pointers: crl.Pointers(base, name, 0, false),
		})
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	l.ca, err = authority.New(c)
	require.NoError(t, err)
	l.config, l.store = c, c.Store
	return l
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

func certificate(t testing.TB, name string, parent *x509.Certificate, key, signer *ecdsa.PrivateKey, spoil func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: n, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1,
	}
	if spoil != nil {
		spoil(c)
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// pointers gives both issuers theirs.
func pointers(shards int, delta bool) func(*authority.Config) {
	return func(c *authority.Config) {
		for i := range c.Issuers {
			c.Issuers[i].Pointers = crl.Pointers(base, c.Issuers[i].Name, shards, delta)
		}
	}
}

func (l *lab) publisher(o crl.Options) *crl.Publisher {
	l.Helper()
	p, err := crl.New(l.ca, o)
	require.NoError(l, err)
	return p
}

// run runs a publisher in a bubble until the test ends, or the function is called.
func (l *lab) run(p *crl.Publisher) (stop func()) { return l.runs(p.Run) }

func (l *lab) runs(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	synctest.Wait()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.ErrorIs(l, <-done, context.Canceled)
		})
	}
	l.Cleanup(stop)
	return stop
}

// record makes a certificate known that ends then, and names that shard.
func (l *lab) record(issuer string, shard int, end time.Time) authority.Serial {
	l.Helper()
	l.mu.Lock()
	l.n++
	n := 0x1000 + l.n
	l.mu.Unlock()
	s := authority.Serial(fmt.Sprintf("%x", n))
	c := l.leaf(issuer, shard, n, end)
	require.NoError(l, l.store.Reserve(context.Background(), &authority.Record{Serial: s, Issuer: issuer, Shard: shard, TBS: c.RawTBSCertificate, NotAfter: end, ReservedAt: time.Now()}, provisioner.Spend{}))
	require.NoError(l, l.store.Commit(context.Background(), s, c.Raw, time.Now(), nil))
	return s
}

// leaf makes a certificate past the pipeline, so that a test chooses its shard.
func (l *lab) leaf(issuer string, shard int, serial int64, end time.Time) *x509.Certificate {
	l.Helper()
	at := slices.IndexFunc(l.config.Issuers, func(i authority.Issuer) bool { return i.Name == issuer })
	return certificate(l, "x.internal", l.config.Issuers[at].Chain[0], l.key[issuer], l.key[issuer], func(c *x509.Certificate) {
		c.SerialNumber, c.NotAfter, c.IsCA, c.KeyUsage = big.NewInt(serial), end, false, x509.KeyUsageDigitalSignature
		if shard > 0 {
			c.CRLDistributionPoints = crl.Pointers(base, issuer, shard, false).CRLDistributionPoints
			c.CRLDistributionPoints = authority.Expand(c.CRLDistributionPoints, shard)
		}
	})
}

func (l *lab) revoke(s authority.Serial, reason int) {
	l.Helper()
	v := &authority.Revocation{Serial: s, ReasonCode: reason, RevokedAt: time.Now()}
	require.NoError(l, l.store.Revoke(context.Background(), v, nil, provisioner.Spend{}, nil))
}

// revoked makes a certificate known that is revoked.
func (l *lab) revoked(issuer string, shard int, end time.Time) authority.Serial {
	l.Helper()
	s := l.record(issuer, shard, end)
	l.revoke(s, 1)
	return s
}

func (l *lab) crl(issuer string, shard int, delta bool) *authority.CRL {
	l.Helper()
	c, err := l.store.CRL(context.Background(), authority.CRLScope{Issuer: issuer, Shard: shard, Delta: delta}, 0)
	require.NoError(l, err)
	return c
}

func (l *lab) list(issuer string, shard int, delta bool) crltest.Entries {
	l.Helper()
	got, err := x509.ParseRevocationList(l.crl(issuer, shard, delta).DER)
	require.NoError(l, err)
	return crltest.EntriesOf(got)
}

// verify looks at what there is from both sides: as the store sees it, and as another node serves it to those
// who rely on it.
func (l *lab) verify() {
	l.Helper()
	require.Empty(l, crltest.Verify(context.Background(), l.ca))
	require.Empty(l, crltest.Rely(context.Background(), l.ca, l.publisher(crl.Options{}).Handler()))
}

func (l *lab) reconfigure(change func(*authority.Config)) {
	l.Helper()
	l.config.Issuers = slices.Clone(l.config.Issuers)
	change(&l.config)
	require.NoError(l, l.ca.Reconfigure(context.Background(), l.config))
}

const day = 24 * time.Hour

// needSeeds fails a fuzz target whose seeds are gone.
func needSeeds(f *testing.F) {
	f.Helper()
	if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name())); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}
