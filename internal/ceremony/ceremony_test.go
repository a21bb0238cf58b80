package ceremony_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/ceremony"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

const year = 365 * 24 * time.Hour

func newKey(t *testing.T, alg kms.Algorithm) kms.Signer {
	k, err := kms.Generate(alg)
	require.NoError(t, err)
	return kms.FromCrypto(k)
}

func TestEveryKindOfKey(t *testing.T) {
	for _, alg := range kms.Algorithms() {
		if alg == kms.RSA4096 && testing.Short() {
			continue
		}
		key := newKey(t, alg)
		root, err := authority.SelfSign(t.Context(), authority.Root{Subject: pkix.Name{CommonName: "Root"}, Life: year, MaxPathLen: 1}, key)
		require.NoError(t, err, alg)
		require.NoError(t, root.CheckSignatureFrom(root), alg)
		require.NotEmpty(t, root.SubjectKeyId)
		ca, err := ceremony.New(ceremony.CA{Chain: []*x509.Certificate{root}, Signer: key, Store: authority.NewMemory(), Life: year})
		require.NoError(t, err, alg)
		csr, err := ceremony.Request(t.Context(), pkix.Name{CommonName: "Intermediate"}, newKey(t, kms.ECDSAP256))
		require.NoError(t, err)
		c, err := ceremony.Sign(t.Context(), ca, csr, authority.When{})
		require.NoError(t, err, alg)
		require.NoError(t, c.Leaf.CheckSignatureFrom(root), alg)
	}
}

func TestOnlyThisProcessAndOnlyOnce(t *testing.T) {
	key := newKey(t, kms.Ed25519)
	root, err := authority.SelfSign(t.Context(), authority.Root{Subject: pkix.Name{CommonName: "Root"}, Life: year, MaxPathLen: 1}, key)
	require.NoError(t, err)
	ca, err := ceremony.New(ceremony.CA{Chain: []*x509.Certificate{root}, Signer: key, Store: authority.NewMemory(), Life: year})
	require.NoError(t, err)
	csr, err := ceremony.Request(t.Context(), pkix.Name{CommonName: "Intermediate"}, newKey(t, kms.ECDSAP256))
	require.NoError(t, err)
	r := ceremony.SignRequest(csr, authority.When{})
	r.Local = false
	_, err = ca.Issue(t.Context(), r)
	require.ErrorIs(t, err, authority.Unauthenticated)

	c, err := ceremony.Sign(t.Context(), ca, csr, authority.When{})
	require.NoError(t, err)
	_, err = ca.Issue(t.Context(), &authority.Request{Operation: provisioner.X509Renew, Certificate: c.Leaf, Proof: provisioner.TLSProof})
	require.ErrorIs(t, err, authority.Unauthenticated, "a CA is not renewed without a person")
}

// A year passes in which nobody touches the root.
func TestIntermediateWorksWithoutItsRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rootKey, key := newKey(t, kms.ECDSAP256), newKey(t, kms.ECDSAP256)
		root, err := authority.SelfSign(t.Context(), authority.Root{Subject: pkix.Name{CommonName: "Root"}, Life: 10 * year, MaxPathLen: 1}, rootKey)
		require.NoError(t, err)
		ca, err := ceremony.New(ceremony.CA{Chain: []*x509.Certificate{root}, Signer: rootKey, Store: authority.NewMemory(), Life: 5 * year})
		require.NoError(t, err)
		csr, err := ceremony.Request(t.Context(), pkix.Name{CommonName: "Intermediate"}, key)
		require.NoError(t, err)
		c, err := ceremony.Sign(t.Context(), ca, csr, authority.When{})
		require.NoError(t, err)

		online, err := authority.New(authority.Config{
			Roots: []*x509.Certificate{root}, Issuers: []authority.Issuer{{Name: "i", Chain: c.Chain, Signer: key}},
			Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "local", Names: provisioner.Names{DNS: []string{"a.internal"}}}},
			Store:        authority.NewMemory(),
		})
		require.NoError(t, err)
		trust := x509.NewCertPool()
		trust.AddCert(root)
		for range 12 {
			time.Sleep(year / 12)
			id, err := authority.NewIdentity(t.Context(), online, authority.IdentityOptions{Provisioner: "local", Names: []string{"a.internal"}})
			require.NoError(t, err)
			crt, err := id.Certificate(t.Context())
			require.NoError(t, err)
			between := x509.NewCertPool()
			between.AddCert(c.Leaf)
			_, err = crt.Leaf.Verify(x509.VerifyOptions{Roots: trust, Intermediates: between, DNSName: "a.internal", CurrentTime: time.Now()})
			require.NoError(t, err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	_, err := ceremony.New(ceremony.CA{})
	require.Error(t, err)
}

func Example() {
	fmt.Println(ceremony.Provisioner, ceremony.Issuer)
	// Output: ceremony root
}
