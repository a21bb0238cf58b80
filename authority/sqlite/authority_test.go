package sqlite_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// swapped is a store that is closed and opened again behind one authority, so that its keys stay.
type swapped struct{ authority.Store }

func (s *swapped) open(t *testing.T, path string, o *sqlite.Options) *sqlite.Store {
	t.Helper()
	next, err := sqlite.Open(ctx, path, o)
	require.NoError(t, err)
	s.Store = next
	return next
}

// getCRL returns the number of the CRL that is served, or 0 and the status.
func getCRL(t *testing.T, p *crl.Publisher, ca *authoritytest.CA) (int64, int) {
	t.Helper()
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl", nil))
	if w.Code != http.StatusOK {
		return 0, w.Code
	}
	list, err := x509.ParseRevocationList(w.Body.Bytes())
	require.NoError(t, err)
	require.NoError(t, list.CheckSignatureFrom(ca.Intermediate))
	return list.Number.Int64(), w.Code
}

func publisher(t *testing.T, ca *authoritytest.CA) *crl.Publisher {
	t.Helper()
	p, err := crl.New(ca.Authority, crl.Options{OnChange: 10 * time.Millisecond})
	require.NoError(t, err)
	return p
}

// running runs a publisher until the test, or do, ends.
func running(t *testing.T, p *crl.Publisher, do func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	do()
	stop()
	require.ErrorIs(t, <-done, context.Canceled)
}

// Yesterday's copy does not make a certificate good that was revoked today.
func TestAuthorityOnRestoredCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	store := &swapped{}
	db := store.open(t, path, nil)
	ca := authoritytest.New(t, func(c *authority.Config) { c.Store = store })
	stolen, kept := ca.Leaf("stolen.internal").Leaf, ca.Leaf("kept.internal").Leaf
	renewal := func() *authority.Request {
		return &authority.Request{Operation: provisioner.X509Renew, Certificate: stolen, Proof: provisioner.TLSProof}
	}
	serial, issuer := authority.SerialOf(stolen.SerialNumber), ca.Authority.Issuers()[0].Name
	p := publisher(t, ca)
	running(t, p, func() {
		require.Eventually(t, func() bool { n, _ := getCRL(t, p, ca); return n > 0 }, 20*time.Second, 10*time.Millisecond)
	})
	require.NoError(t, db.Close())
	copyFile(t, path, path+".old")

	db = store.open(t, path, nil)
	since := ca.Leaf("since.internal").Leaf
	_, err := ca.Authority.Revoke(ctx, &authority.RevokeRequest{Serial: serial, Local: true, ReasonCode: 1})
	require.NoError(t, err)
	var last int64
	p = publisher(t, ca)
	running(t, p, func() {
		require.Eventually(t, func() bool {
			all, err := db.CRLs(ctx, issuer)
			require.NoError(t, err)
			last = all[0].Number
			return all[0].Entries == 1
		}, 20*time.Second, 10*time.Millisecond)
	})
	require.NoError(t, db.Close())
	copyFile(t, path+".old", path)

	// Nobody has said anything: it is read, and nothing is written.
	db = store.open(t, path, nil)
	require.NotNil(t, db.Gap())
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, err = ca.Try(&authority.Request{Token: ca.Token("new.internal"), CSR: ca.CSR(key, "new.internal")})
	require.ErrorIs(t, err, authority.Unavailable)
	_, err = ca.Try(renewal())
	require.ErrorIs(t, err, authority.Unauthenticated, "it is revoked")
	good := func() {
		st, err := ca.Authority.Standing(ctx, issuer, authority.SerialOf(kept.SerialNumber))
		require.NoError(t, err)
		require.True(t, st.Known)
		require.Nil(t, st.Revocation)
		st, err = ca.Authority.Standing(ctx, issuer, serial)
		require.NoError(t, err)
		require.NotNil(t, st.Revocation)
		require.Equal(t, 1, st.Revocation.ReasonCode)
	}
	good()
	_, code := getCRL(t, publisher(t, ca), ca)
	require.Equal(t, http.StatusServiceUnavailable, code)
	_, err = ca.Authority.Revoke(ctx, &authority.RevokeRequest{Serial: authority.SerialOf(kept.SerialNumber), Local: true})
	require.ErrorIs(t, err, authority.Unavailable)
	require.NoError(t, db.Close())

	// The journal is replayed: all is well, but for a record that is lost.
	db = store.open(t, path, &sqlite.Options{Restored: sqlite.Replay})
	good()
	_, err = ca.Try(renewal())
	require.ErrorIs(t, err, authority.Unauthenticated)
	_, err = db.Certificate(ctx, authority.SerialOf(since.SerialNumber))
	require.ErrorIs(t, err, authority.ErrNotFound)
	ca.Leaf("new.internal")
	p = publisher(t, ca)
	running(t, p, func() {
		require.Eventually(t, func() bool { n, _ := getCRL(t, p, ca); return n > last }, 20*time.Second, 10*time.Millisecond)
	})
	require.NoError(t, db.Close())
	db = store.open(t, path, nil)
	require.Nil(t, db.Gap())
	require.NoError(t, db.Close())
}
