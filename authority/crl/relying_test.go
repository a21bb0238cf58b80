package crl_test

import (
	"crypto/x509"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// The store was restored from a copy that is older than the certificate, which is revoked with the certificate
// in hand: by its holder, or by this program. The CRL that it names lists it, under today's number of shards
// and another one.
func TestRevokedWithoutRecord(t *testing.T) {
	for _, holder := range []bool{true, false} {
		for _, shards := range []int{0, 2, 4, 9} {
			t.Run(fmt.Sprintf("holder=%t,shards=%d", holder, shards), func(t *testing.T) {
				l := newLab(t, pointers(min(shards*2, 4), shards == 2))
				var certs []*x509.Certificate
				for range 6 {
					certs = append(certs, l.issue(""), l.issue("b"))
				}
				l.config.Store = authority.NewMemory()
				pointers(shards, shards == 2)(&l.config)
				var err error
				l.ca, err = authority.New(l.config)
				require.NoError(t, err)
				l.store = l.config.Store
				for _, c := range certs[:8] {
					r := &authority.RevokeRequest{Serial: authority.SerialOf(c.SerialNumber), Certificate: c, ReasonCode: 1, Local: !holder}
					if holder {
						r.Proof = provisioner.TLSProof
					}
					_, err := l.ca.Revoke(t.Context(), r)
					require.NoError(t, err)
				}
				require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context()))
				for n, c := range certs[:8] {
					require.Contains(t, l.list([]string{"a", "b"}[n%2], 0, false), authority.SerialOf(c.SerialNumber))
				}
				l.verify()
			})
		}
	}
}

// A certificate that is renewed by another issuer names the other one's CRL, and no CRL that says nothing of it.
func TestRenewedByAnotherIssuer(t *testing.T) {
	for _, other := range []int{-1, 0, 1, 5} { // shards of b; -1: it has no pointers
		t.Run(fmt.Sprint("shards=", other), func(t *testing.T) {
			l := newLab(t, pointers(3, true), func(c *authority.Config) {
				if c.Issuers[1].Pointers = crl.Pointers(base, "b", other, false); other < 0 {
					c.Issuers[1].Pointers = authority.Pointers{}
				}
			})
			var all []*x509.Certificate
			for range 6 {
				all = append(all, l.issue(""))
			}
			l.reconfigure(func(c *authority.Config) {
				c.Issuers[0].State = authority.Retiring
			})
			for _, old := range slices.Clone(all) {
				c, err := l.ca.Issue(t.Context(), &authority.Request{Operation: provisioner.X509Renew, Certificate: old, Proof: provisioner.TLSProof})
				require.NoError(t, err)
				require.Equal(t, "CN=Issuer b", c.Leaf.Issuer.String())
				require.NotContains(t, fmt.Sprint(c.Leaf.CRLDistributionPoints), "/a")
				require.Equal(t, other >= 0, len(c.Leaf.CRLDistributionPoints) > 0)
				all = append(all, c.Leaf)
			}
			for n, c := range all {
				if n%2 == 0 {
					l.revoke(authority.SerialOf(c.SerialNumber), 4)
				}
			}
			require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context()))
			l.verify()
		})
	}
}

// A certificate that is renewed where there are no pointers any more repeats the URL that it has, and is on the
// CRL that is there.
func TestRenewedWithoutPointers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(3, false))
		l.run(l.publisher(crl.Options{}))
		var all []*x509.Certificate
		for range 6 {
			all = append(all, l.issue(""))
		}
		time.Sleep(time.Hour)
		l.reconfigure(func(c *authority.Config) { c.Issuers[0].Pointers = authority.Pointers{} })
		for _, old := range slices.Clone(all) {
			c, err := l.ca.Issue(t.Context(), &authority.Request{Operation: provisioner.X509Renew, Certificate: old, Proof: provisioner.TLSProof})
			require.NoError(t, err)
			require.Equal(t, old.CRLDistributionPoints, c.Leaf.CRLDistributionPoints)
			l.revoke(authority.SerialOf(c.Leaf.SerialNumber), 1)
		}
		time.Sleep(2 * time.Second)
		l.verify()
	})
}

// A CA certificate that is renewed with its key takes the place of the old one: revocations stay, for whoever
// has either. It cannot be a second issuer, whose CRL would be taken for the first one's.
func TestRenewedIssuerCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.run(l.publisher(crl.Options{}))
		s := authority.SerialOf(l.issue("").SerialNumber)
		l.revoke(s, 1)
		rootKey := newKey(t)
		root := certificate(t, "Root", nil, rootKey, rootKey, nil)
		again := certificate(t, "Issuer a", root, l.key["a"], rootKey, nil)
		two := l.config
		two.Roots = append(two.Roots, root)
		second := authority.Issuer{Name: "a2", Chain: []*x509.Certificate{again}, Signer: kms.FromCrypto(l.key["a"])}
		for _, state := range []authority.State{authority.Active, authority.Pending, authority.Retiring} {
			second.State = state
			two.Issuers = append(slices.Clone(l.config.Issuers), second)
			require.ErrorContains(t, l.ca.Reconfigure(t.Context(), two), "same name and key")
		}
		l.reconfigure(func(c *authority.Config) {
			c.Roots = two.Roots
			c.Issuers[0].Chain = []*x509.Certificate{again}
		})
		time.Sleep(2 * time.Second)
		require.Contains(t, l.list("a", 0, false), s)
		l.verify()
	})
}

// A record stays until a CRL that was made after its certificate's end has listed it, also when none was made
// for a while.
func TestPruneWaitsForCRL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *authority.Config) { c.Retention = time.Hour })
		s := l.revoked("a", 0, time.Now().Add(12*time.Hour))
		require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context())) // then the publisher is down
		l.runs(l.ca.Run)
		time.Sleep(2 * day)
		p := l.publisher(crl.Options{})
		require.NoError(t, p.Publish(t.Context()))
		require.Contains(t, l.list("a", 0, false), s)
		l.run(p)
		time.Sleep(3 * day)
		require.NotContains(t, l.list("a", 0, false), s)
		_, err := l.store.Certificate(t.Context(), s)
		require.ErrorIs(t, err, authority.ErrNotFound)
		l.verify()
	})
}
