package authority_test

import (
	"context"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

func TestHoldAndRelease(t *testing.T) {
	ca := authoritytest.New(t)
	ctx := context.Background()
	leaf := ca.Leaf("a.internal").Leaf
	serial := authority.SerialOf(leaf.SerialNumber)
	revoke := func(code int) error {
		_, err := ca.Authority.Revoke(ctx, &authority.RevokeRequest{Serial: serial, ReasonCode: code, Local: true, By: "alice"})
		return err
	}
	release := func() error {
		return ca.Authority.Release(ctx, &authority.ReleaseRequest{Serial: serial, By: "alice", Reason: "found it"})
	}
	require.ErrorIs(t, release(), authority.Conflict, "it is not on hold")

	require.NoError(t, revoke(authority.ReasonCertificateHold))
	_, err := ca.Try(renewal(leaf))
	requireRefused(t, err, authority.Unauthenticated, "revoked")
	require.ErrorIs(t, revoke(authority.ReasonCertificateHold), authority.Conflict, "it is on hold already")
	require.NoError(t, release())
	ca.Issue(renewal(leaf))
	require.ErrorIs(t, release(), authority.Conflict)
	told := ca.Events.OfType(event.CertificateReleased)
	require.Len(t, told, 1)
	d := told[0].Data.(event.Revocation)
	require.Equal(t, []any{string(serial), "alice", "found it", 8}, []any{d.Serial, d.By, d.Reason, d.ReasonCode})

	// A hold can be made final, and then it is.
	require.NoError(t, revoke(authority.ReasonCertificateHold))
	require.NoError(t, revoke(1))
	require.ErrorIs(t, release(), authority.Conflict)
	require.ErrorIs(t, revoke(4), authority.Conflict)
	r, err := ca.Authority.Certificate(ctx, serial)
	require.NoError(t, err)
	require.Equal(t, 1, r.Revocation.ReasonCode)
	require.Equal(t, "alice", r.Revocation.By)
	require.Len(t, ca.Events.OfType(event.CertificateRevoked), 3)

	require.ErrorIs(t, ca.Authority.Release(ctx, &authority.ReleaseRequest{Serial: "abc"}), authority.NotFound)
	for _, code := range []int{-1, 7, 8, 11} {
		require.ErrorIs(t, revoke(code), authority.BadRequest, "%d", code)
	}
	ca.Check()
}

// The holder of a key reports that it is compromised while the certificate is on hold.
func TestHolderRevokesWhatIsOnHold(t *testing.T) {
	ca := authoritytest.New(t)
	c, other := ca.Leaf("a.internal").Leaf, ca.Leaf("b.internal").Leaf
	serial := authority.SerialOf(c.SerialNumber)
	revoke := func(c *x509.Certificate, code int) error {
		_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: serial, Certificate: c, Proof: provisioner.TLSProof, ReasonCode: code})
		return err
	}
	require.NoError(t, revoke(c, authority.ReasonCertificateHold))
	require.ErrorIs(t, revoke(c, authority.ReasonCertificateHold), authority.Conflict)
	require.ErrorIs(t, revoke(other, 1), authority.Denied)
	require.NoError(t, revoke(c, 1))
	require.ErrorIs(t, revoke(c, 1), authority.Conflict)
	require.ErrorIs(t, ca.Authority.Release(t.Context(), &authority.ReleaseRequest{Serial: serial}), authority.Conflict)
	ca.Check()
}
