package authority_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
)

// A token made out to sign revokes only where the authority was told to take it, and only its own serial.
func TestSignAudienceForRevoke(t *testing.T) {
	ctx := context.Background()
	for _, accept := range []bool{false, true} {
		ca := authoritytest.New(t, func(c *authority.Config) { c.AcceptSignAudienceForRevoke = accept })
		c, other := ca.Issue(signRequest(t, ca, "a.internal")).Leaf, ca.Issue(signRequest(t, ca, "b.internal")).Leaf
		serial := authority.SerialOf(c.SerialNumber)
		token := ca.TokenFor("/1.0/sign", serial.Decimal())
		_, err := ca.Authority.Revoke(ctx, &authority.RevokeRequest{Serial: authority.SerialOf(other.SerialNumber), Token: token})
		require.Error(t, err)
		_, err = ca.Authority.Revoke(ctx, &authority.RevokeRequest{Serial: serial, Token: token})
		if !accept {
			require.ErrorIs(t, err, authority.Unauthenticated)
			_, err = ca.Authority.Revoke(ctx, &authority.RevokeRequest{Serial: serial, Token: ca.RevokeToken(c)})
		}
		require.NoError(t, err)
		// The other way round it never works.
		r := signRequest(t, ca, "a.internal")
		r.Token = ca.TokenFor("/1.0/revoke", "a.internal", "a.internal")
		_, err = ca.Try(r)
		require.ErrorIs(t, err, authority.Unauthenticated)
		ca.Check()
	}
}

// What people write, and what tokens say, ends up in stores and logs.
func TestOnlyTextIsKept(t *testing.T) {
	ca := authoritytest.New(t)
	c := ca.Issue(signRequest(t, ca, "a.internal")).Leaf
	v, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{
		Serial: authority.SerialOf(c.SerialNumber), Local: true, By: "al\x00ice", Reason: "one\ntwo\xff\x00",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"al ice", "one two\uFFFD "}, []string{v.By, v.Reason})

	r := signRequest(t, ca, "a.internal")
	r.Token = ca.TokenFor("/1.0/sign", "a\x00b", "a.internal")
	_, err = ca.Try(r)
	requireRefused(t, err, authority.Denied, "subject")
	ca.Check()
}
