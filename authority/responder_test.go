package authority_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/provisioner"
)

func TestIssueResponder(t *testing.T) {
	only, err := policy.New(policy.Config{Allow: policy.Rules{DNS: []string{"*.internal"}}})
	require.NoError(t, err)
	ca := authoritytest.New(t, func(c *authority.Config) { c.Policy = only })
	ctx := context.Background()
	issuer := ca.Authority.Issuers()[0]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	c, err := ca.Authority.IssueResponder(ctx, issuer.Name, key)
	require.NoError(t, err)
	require.NoError(t, c.Leaf.CheckSignatureFrom(issuer.Certificate))
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, c.Leaf.ExtKeyUsage)
	require.Equal(t, x509.KeyUsageDigitalSignature, c.Leaf.KeyUsage)
	require.Empty(t, provisioner.NamesOf(c.Leaf).Strings())
	require.LessOrEqual(t, time.Until(c.Leaf.NotAfter), 7*24*time.Hour)
	noCheck := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	found := 0
	for _, e := range c.Leaf.Extensions {
		if e.Id.Equal(noCheck) {
			found++
			require.Equal(t, asn1.NullBytes, e.Value)
			require.False(t, e.Critical)
		}
	}
	require.Equal(t, 1, found)

	_, err = ca.Authority.IssueResponder(ctx, "nobody", key)
	require.ErrorIs(t, err, authority.NotFound)

	// Nothing else comes out of that door.
	csr, err := authority.NewRequest(key, "web.internal", provisioner.ParseNames([]string{"web.internal"}))
	require.NoError(t, err)
	for _, r := range []*authority.Request{
		{Provisioner: "chancery/ocsp", CSR: csr},
		{Provisioner: "chancery/ocsp", CSR: csr, Local: true},
		{Provisioner: "chancery/ocsp", Profile: "chancery/ocsp/" + issuer.Name, CSR: csr, Token: "x"},
		{Provisioner: "chancery/ocsp", Profile: "", CSR: csr, Local: true},
		{Operation: provisioner.X509Renew, Certificate: c.Leaf, Proof: provisioner.TLSProof},
	} {
		_, err = ca.Authority.Issue(ctx, r)
		require.Error(t, err, "%+v", r)
	}
	for _, p := range ca.Authority.Provisioners() {
		require.NotEqual(t, "chancery/ocsp", p.Name())
	}
	ca.Check()
}
