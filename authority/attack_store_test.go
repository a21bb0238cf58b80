package authority_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// hookedSigner does something once, between a signature and its return.
type hookedSigner struct {
	kms.Signer
	hook func(signature []byte)
}

func (s *hookedSigner) Sign(ctx context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	sig, err := s.Signer.Sign(ctx, digest, o)
	if h := s.hook; h != nil {
		s.hook = nil
		h(sig)
	}
	return sig, err
}

func hooked(t testing.TB, s authority.Store) (*authoritytest.CA, *hookedSigner) {
	t.Helper()
	h := &hookedSigner{}
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Store = s
		h.Signer, c.Issuers[0].Signer = c.Issuers[0].Signer, h
	})
	return ca, h
}

func eachStore(t *testing.T, do func(t *testing.T, s authority.Store)) {
	t.Run("memory", func(t *testing.T) { do(t, authority.NewMemory()) })
	t.Run("sqlite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), nil)
		require.NoError(t, err)
		defer s.Close()
		do(t, s)
	})
}

// A slow signer's certificate, given up meanwhile, is not handed out as if nothing had happened.
func TestReconciledIsNotHandedOut(t *testing.T) {
	eachStore(t, func(t *testing.T, s authority.Store) {
		ca, h := hooked(t, s)
		h.hook = func([]byte) {
			n, err := ca.Authority.Reconcile(t.Context(), time.Now().Add(time.Hour))
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		r := signRequest(t, ca, "slow.internal")
		_, err := ca.Try(r)
		requireRefused(t, err, authority.Conflict, "conflict")
		_, err = ca.Try(r)
		requireRefused(t, err, authority.Unauthenticated, "spent")
		require.Empty(t, ca.Events.OfType(event.CertificateIssued))
		require.Len(t, ca.Events.OfType(event.IssuanceAbandoned), 1)
		ca.Check()
	})
}

// Another authority that begins to run on the same store leaves alone what is being signed.
func TestSecondRunLeavesReservationsAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, s authority.Store) {
		ca, h := hooked(t, s)
		h.hook = func([]byte) {
			second := authoritytest.New(t, func(c *authority.Config) { c.Store = s })
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, second.Authority.Run(ctx), context.DeadlineExceeded)
		}
		c := ca.Issue(signRequest(t, ca, "slow.internal"))
		r, err := ca.Authority.Certificate(t.Context(), c.Record.Serial)
		require.NoError(t, err)
		require.Equal(t, authority.Issued, r.Status)
		ca.Check()
	})
}

// assembled puts together what a store and a signer know; like is any certificate of the same issuer.
func assembled(t testing.TB, tbs, signature []byte, like *x509.Certificate) *x509.Certificate {
	t.Helper()
	var v struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	_, err := asn1.Unmarshal(like.Raw, &v)
	require.NoError(t, err)
	v.TBS, v.Signature = asn1.RawValue{FullBytes: tbs}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(v)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// A signature that leaked makes no certificate that could be renewed, neither before it is handed out
// nor once it never will be.
func TestOnlyIssuedIsRenewed(t *testing.T) {
	ca, h := hooked(t, authority.NewMemory())
	other := ca.Leaf("a.internal").Leaf
	var leaked *x509.Certificate
	h.hook = func(signature []byte) {
		page, err := ca.Authority.Certificates(t.Context(), authority.Query{Status: authority.Reserved})
		require.NoError(t, err)
		require.Len(t, page.Records, 1)
		leaked = assembled(t, page.Records[0].TBS, signature, other)
		require.NoError(t, leaked.CheckSignatureFrom(ca.Intermediate))
		_, err = ca.Try(renewal(leaked))
		requireRefused(t, err, authority.Unauthenticated, "foreign")
		_, err = ca.Authority.Reconcile(t.Context(), time.Now().Add(time.Hour))
		require.NoError(t, err)
	}
	_, err := ca.Try(signRequest(t, ca, "slow.internal"))
	requireRefused(t, err, authority.Conflict, "conflict")
	_, err = ca.Try(renewal(leaked))
	requireRefused(t, err, authority.Unauthenticated, "abandoned")
	ca.Check()
}

// rewriting is a store that changes the record it is handed.
type rewriting struct {
	authority.Store
	rewrite func(*authority.Record)
}

func (s *rewriting) Reserve(ctx context.Context, r *authority.Record, spend provisioner.Spend) error {
	err := s.Store.Reserve(ctx, r, spend)
	s.rewrite(r)
	return err
}

// What is signed, but does not read back as what was to be signed, is not handed out.
func TestDriftIsNotHandedOut(t *testing.T) {
	s := &rewriting{authority.NewMemory(), func(*authority.Record) {}}
	ca := authoritytest.New(t, func(c *authority.Config) { c.Store = s })
	like := ca.Leaf("a.internal").Leaf
	var v struct {
		TBS, Algorithm, Signature asn1.RawValue
	}
	_, err := asn1.Unmarshal(like.Raw, &v)
	require.NoError(t, err)
	// A reader takes these for the certificate's algorithm and signature.
	s.rewrite = func(r *authority.Record) {
		r.TBS = append(append(append([]byte{}, r.TBS...), v.Algorithm.FullBytes...), v.Signature.FullBytes...)
	}
	_, err = ca.Try(signRequest(t, ca, "b.internal"))
	requireRefused(t, err, authority.Internal, "drift")
	ca.Check()
}

// alwaysRenews lets go of the end of certificates, and keeps everything else.
type alwaysRenews struct{ provisioner.Provisioner }

func (p alwaysRenews) Unwrap() provisioner.Provisioner { return p.Provisioner }

func (p alwaysRenews) Authorize(ctx context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	if r.Operation == provisioner.X509Renew {
		return &provisioner.Grant{Names: provisioner.NamesOf(r.Certificate)}, nil
	}
	return p.Provisioner.Authorize(ctx, r)
}

// A revocation that was pruned with its record is not forgiven.
func TestPrunedRevokedIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.Provisioners[1], c.Retention = alwaysRenews{c.Provisioners[1]}, 3*time.Hour
		})
		revoked := ca.Issue(signRequest(t, ca, "a.internal")).Leaf
		good := ca.Issue(signRequest(t, ca, "b.internal")).Leaf
		_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: authority.SerialOf(revoked.SerialNumber), Local: true})
		require.NoError(t, err)
		stop := background(t, ca.Authority)
		time.Sleep(25 * time.Hour)
		ca.Issue(renewal(good)) // the record is there, and the provisioner lets go of the end
		_, err = ca.Try(renewal(revoked))
		requireRefused(t, err, authority.Unauthenticated, "revoked")
		time.Sleep(4 * time.Hour)
		stop()
		_, err = ca.Authority.Certificate(t.Context(), authority.SerialOf(revoked.SerialNumber))
		require.ErrorIs(t, err, authority.NotFound)
		_, err = ca.Try(renewal(revoked))
		requireRefused(t, err, authority.Unauthenticated, "expired")
	}) // no Check: the books lack what was pruned
}

// A clock that is ahead does not make a spent token good again.
func TestSpentTokenOutlivesItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spend := provisioner.Spend{ID: "once", Until: time.Now().Add(5 * time.Minute)}
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.Provisioners = append(c.Provisioners, granting("f", &provisioner.Grant{Subject: "a.internal", Spend: spend}))
		})
		r := &authority.Request{Provisioner: "f", CSR: ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")}
		ca.Issue(r)
		defer background(t, ca.Authority)()
		for range 4 {
			time.Sleep(15 * time.Minute)
			_, err := ca.Try(r)
			requireRefused(t, err, authority.Unauthenticated, "spent")
		}
		time.Sleep(30 * time.Minute)
		ca.Issue(r) // pruned: Run does look
		ca.Check()
	})
}

// granting is a provisioner that always hands out the very same grant.
func granting(name string, g *provisioner.Grant) provisioner.Provisioner {
	return provisioner.Func(name, func(context.Context, *provisioner.Request) (*provisioner.Grant, error) { return g, nil })
}

// Authorities that share a store do not act on each other's certificates.
func TestOtherAuthoritysCertificate(t *testing.T) {
	eachStore(t, func(t *testing.T, s authority.Store) {
		option := func(c *authority.Config) { c.Store = s }
		a, b := authoritytest.New(t, option), authoritytest.New(t, option)
		leaf := a.Issue(signRequest(t, a, "a.internal")).Leaf
		serial := authority.SerialOf(leaf.SerialNumber)
		_, err := b.Try(renewal(leaf))
		requireRefused(t, err, authority.Unauthenticated, "foreign")
		for _, r := range []*authority.RevokeRequest{{Token: b.RevokeToken(leaf)}, {Local: true}, {Token: b.RevokeToken(leaf), Certificate: leaf}} {
			r.Serial = serial
			_, err = b.Authority.Revoke(t.Context(), r)
			requireRefused(t, err, authority.NotFound, "serial")
		}
		_, err = b.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: serial, Certificate: leaf, Proof: provisioner.TLSProof})
		require.ErrorIs(t, err, authority.Unauthenticated)
		a.Issue(renewal(leaf))
		a.Check()
	})
}

// Not even when their issuers have one name, and certificates say nothing of keys.
func TestOtherAuthoritysCertificateWithoutKeyID(t *testing.T) {
	s := authority.NewMemory()
	open := func() *authoritytest.CA {
		return authoritytest.New(t, func(c *authority.Config) {
			c.Store = s
			key, rootKey := newKey(t, kms.ECDSAP256), newKey(t, kms.ECDSAP256)
			root := caCertificate(t, "Root", nil, rootKey.Public(), rootKey)
			inter := caCertificate(t, "Issuing CA", root, key.Public(), rootKey, func(c *x509.Certificate) {
				c.BasicConstraintsValid, c.IsCA, c.MaxPathLen = false, false, 0 // so that no key id is added
				c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}
			})
			c.Roots = []*x509.Certificate{root}
			c.Issuers = []authority.Issuer{{Name: "issuing", Chain: []*x509.Certificate{inter}, Signer: kms.FromCrypto(key)}}
		})
	}
	a, b := open(), open()
	leaf := a.Leaf("a.internal").Leaf
	require.Empty(t, leaf.AuthorityKeyId)
	_, err := b.Try(renewal(leaf))
	require.ErrorIs(t, err, authority.Unauthenticated)
	_, err = b.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: authority.SerialOf(leaf.SerialNumber), Local: true})
	require.ErrorIs(t, err, authority.NotFound)
	a.Issue(renewal(leaf))
	a.Check()
}
