package x5c_test

import (
	"context"
	"crypto/x509"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

// A CA's certificate makes no tokens, whatever else it is good for: its key signs certificates.
func TestCACertificateIsNoCredential(t *testing.T) {
	ca := provisionertest.NewCA(t)
	for _, isCA := range []bool{false, true} {
		s := signer(t, ca, provisionertest.NewKey(t, jose.ES256), func(c *x509.Certificate) {
			c.BasicConstraintsValid, c.IsCA = true, isCA
			if isCA {
				c.KeyUsage |= x509.KeyUsageCertSign
			}
		})
		for _, op := range []provisioner.Operation{provisioner.X509Sign, provisioner.X509Revoke} {
			g, err := open(t, ca, provisioner.Renewal{}).Authorize(context.Background(), provisionertest.OneTime(t, s.Sign)[op]())
			if !isCA {
				require.NoError(t, err)
				continue
			}
			require.Nil(t, g)
			r, ok := err.(*provisioner.Refusal)
			require.True(t, ok, "%v", err)
			require.Equal(t, provisioner.Unauthenticated, r.Kind)
			require.Equal(t, "chain", r.Code)
			require.Contains(t, r.Reason, "CA certificate")
		}
	}
}
