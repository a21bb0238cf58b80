package authority_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/kms"
)

// tbsList returns the TBSCertList of a CRL that crypto/x509 makes.
func tbsList(t *testing.T, issuer *x509.Certificate, key kms.Signer) []byte {
	return tbsListAt(t, issuer, key, time.Now())
}

func tbsListAt(t *testing.T, issuer *x509.Certificate, key kms.Signer, at time.Time) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: at, NextUpdate: at.Add(time.Hour)}, issuer, kms.ToCrypto(context.Background(), key))
	require.NoError(t, err)
	l, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	return l.RawTBSRevocationList
}

// The key is lent for revocation data, and for nothing else.
func TestSignStatus(t *testing.T) {
	ctx := context.Background()
	ca := authoritytest.New(t)
	other := authoritytest.New(t)
	leaf := ca.Leaf("a.internal").Leaf
	list := tbsList(t, ca.Intermediate, ca.Signer())
	response := mustMarshal(t, struct {
		Key       []byte    `asn1:"tag:2,explicit"`
		At        time.Time `asn1:"generalized"`
		Responses []int
	}{make([]byte, 20), time.Now().UTC(), []int{}})

	der, err := ca.Authority.SignCRL(ctx, "intermediate", list)
	require.NoError(t, err)
	l, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	require.NoError(t, l.CheckSignatureFrom(ca.Intermediate))
	require.Equal(t, list, l.RawTBSRevocationList)
	signature, _, err := ca.Authority.SignOCSP(ctx, "intermediate", response)
	require.NoError(t, err)
	require.NoError(t, ca.Intermediate.CheckSignature(x509.ECDSAWithSHA256, response, signature))

	_, err = ca.Authority.SignCRL(ctx, "intermediate", tbsListAt(t, ca.Intermediate, ca.Signer(), time.Date(2061, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.NoError(t, err, "its times are written in another way")

	for name, tbs := range map[string][]byte{
		"nothing": nil, "a certificate": leaf.RawTBSCertificate, "text": []byte("text"), "a sequence": {0x30, 0},
		"another's list": tbsList(t, other.Root, other.Signer()), "more behind it": append(list[:len(list):len(list)], 0),
	} {
		_, err := ca.Authority.SignCRL(ctx, "intermediate", tbs)
		require.ErrorIs(t, err, authority.Internal, "%s as a CRL", name)
		_, _, err = ca.Authority.SignOCSP(ctx, "intermediate", tbs)
		require.ErrorIs(t, err, authority.Internal, "%s as a response", name)
	}
	_, err = ca.Authority.SignCRL(ctx, "intermediate", response)
	require.Error(t, err)
	_, _, err = ca.Authority.SignOCSP(ctx, "intermediate", list)
	require.Error(t, err)
	_, err = ca.Authority.SignCRL(ctx, "nobody", list)
	require.ErrorIs(t, err, authority.NotFound)

	ca.Faults.Fail(authoritytest.Sign, 1)
	_, err = ca.Authority.SignCRL(ctx, "intermediate", list)
	require.ErrorIs(t, err, authority.Unavailable)
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	require.NoError(t, err)
	return b
}

func TestStanding(t *testing.T) {
	ctx := context.Background()
	store := authority.NewMemory()
	ca := authoritytest.New(t, func(c *authority.Config) { c.Store = store })
	good, revoked := authority.SerialOf(ca.Leaf("a.internal").Leaf.SerialNumber), authority.SerialOf(ca.Revoked("b.internal").Leaf.SerialNumber)
	reserved, abandoned := storetest.Record(1), storetest.Record(2)
	for _, r := range []*authority.Record{reserved, abandoned} {
		r.Issuer = "intermediate"
		require.NoError(t, store.Reserve(ctx, r, storetest.Spend("")))
	}
	require.NoError(t, store.Abandon(ctx, abandoned.Serial, false, time.Now(), nil))
	for _, c := range []struct {
		issuer         string
		serial         authority.Serial
		known, revoked bool
	}{
		{"intermediate", good, true, false},
		{"other", good, false, false},
		{"intermediate", revoked, true, true},
		{"intermediate", reserved.Serial, false, false},
		{"intermediate", abandoned.Serial, true, true},
		{"intermediate", "123", false, false},
	} {
		s, err := ca.Authority.Standing(ctx, c.issuer, c.serial)
		require.NoError(t, err)
		require.Equal(t, []bool{c.known, c.revoked}, []bool{s.Known, s.Revocation != nil}, "%+v", c)
	}
	ca.Faults.Fail(authoritytest.Read, 1)
	_, err := ca.Authority.Standing(ctx, "intermediate", good)
	require.ErrorIs(t, err, authority.Unavailable)
}
