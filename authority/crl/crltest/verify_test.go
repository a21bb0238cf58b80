package crltest_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
	"github.com/chancery-ca/chancery/provisioner"
)

func Example() {
	fmt.Println(crltest.Apply(crltest.Entries{"a": 6, "b": 1}, crltest.Entries{"a": authority.ReasonRemoveFromCRL, "c": 4}))
	// Output: map[b:1 c:4]
}

// Verify is quiet while all is well, and finds every lie.
func TestVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		ca := authoritytest.New(t)
		p, err := crl.New(ca.Authority, crl.Options{OnChange: -1, Delta: true})
		require.NoError(t, err)
		finds := func(want string) {
			t.Helper()
			got := crltest.Verify(ctx, ca.Authority)
			require.NotEmpty(t, got)
			require.Contains(t, got[0], want)
		}
		finds("there is no CRL")
		good := ca.Leaf("good.internal")
		ca.Revoked("bad.internal")
		require.NoError(t, p.Publish(ctx))
		require.Empty(t, crltest.Verify(ctx, ca.Authority))

		ca.Revoked("late.internal")
		finds("does not list")
		require.NoError(t, p.Publish(ctx))
		require.Empty(t, crltest.Verify(ctx, ca.Authority))

		s := authority.SerialOf(good.Leaf.SerialNumber)
		hold := &authority.Revocation{Serial: s, ReasonCode: authority.ReasonCertificateHold, RevokedAt: time.Now()}
		require.NoError(t, ca.Store.Revoke(ctx, hold, nil, provisioner.Spend{}, nil))
		require.NoError(t, p.Publish(ctx))
		require.NoError(t, ca.Store.Revoke(ctx, &authority.Revocation{Serial: s, ReasonCode: 1, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
		finds("with reason 6 instead of 1")
		require.NoError(t, p.Publish(ctx))
		held := authority.SerialOf(ca.Leaf("held.internal").Leaf.SerialNumber)
		hold.Serial = held
		require.NoError(t, ca.Store.Revoke(ctx, hold, nil, provisioner.Spend{}, nil))
		require.NoError(t, p.Publish(ctx))
		require.NoError(t, ca.Store.Release(ctx, held, time.Now(), nil))
		finds("which is not revoked")
		require.NoError(t, p.Publish(ctx))
		require.Empty(t, crltest.Verify(ctx, ca.Authority))

		time.Sleep(25 * time.Hour)
		finds("and now is")
		require.NoError(t, p.Publish(ctx))
		require.Empty(t, crltest.Verify(ctx, ca.Authority))

		c, err := ca.Store.CRL(ctx, authority.CRLScope{Issuer: "intermediate"}, 0)
		require.NoError(t, err)
		put := func(change func(*authority.CRL)) {
			d := *c
			d.Number += 1000
			c = &d
			change(&d)
			require.NoError(t, ca.Store.PutCRL(context.Background(), &d, nil))
		}
		put(func(*authority.CRL) {})
		finds("something else about it")
		put(func(c *authority.CRL) { c.DER[len(c.DER)-1] ^= 1 })
		finds("x509: ")
		put(func(c *authority.CRL) { c.DER = []byte{1} })
		finds("x509: ")
		require.NoError(t, p.Publish(ctx))
		require.Empty(t, crltest.Verify(ctx, ca.Authority))
	})
}

func TestEntriesOf(t *testing.T) {
	require.Empty(t, crltest.EntriesOf(&x509.RevocationList{}))
}
