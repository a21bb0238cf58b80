package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"flag"
	"math/big"
	"os"
	"testing"
	"time"

	"crypto/ed25519"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

var update = flag.Bool("update", false, "rewrite golden files")

// fixedCA is an authority whose keys never change, for golden bytes.
func fixedCA(t testing.TB) *Authority {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Golden CA"}, SubjectKeyId: []byte{1, 2, 3},
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(nil, c, c, key.Public(), key)
	require.NoError(t, err)
	root, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a, err := New(Config{
		Roots: []*x509.Certificate{root}, Store: NewMemory(),
		Issuers:      []Issuer{{Name: "golden", Chain: []*x509.Certificate{root}, Signer: kms.FromCrypto(key)}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "self", AnyName: true}},
	})
	require.NoError(t, err)
	return a
}

func fixedDraft(t testing.TB, a *Authority) *draft {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))
	csr, err := NewRequest(key, "db.internal", provisioner.ParseNames([]string{"db.internal", "10.0.0.1", "joe@example.com", "spiffe://td/x"}))
	require.NoError(t, err)
	r := &Request{Provisioner: "self", Local: true, CSR: csr}
	p := newPassage(a, a.snapshot.Load(), r)
	p.now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	d, e := p.prepare(t.Context())
	require.Nil(t, e)
	return d
}

// The bytes of a default leaf, apart from its serial number, are ours to decide and must not change by
// accident.
func TestGoldenTBS(t *testing.T) {
	d := fixedDraft(t, fixedCA(t))
	serial := d.record.Serial.Int().FillBytes(make([]byte, 16))
	tbs := append([]byte{}, d.record.TBS...)
	at := indexOf(tbs, serial)
	require.Positive(t, at)
	copy(tbs[at:], make([]byte, len(serial)))
	const file = "testdata/leaf.tbs.hex"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(hex.EncodeToString(tbs)+"\n"), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), hex.EncodeToString(tbs)+"\n", "go test ./authority -run GoldenTBS -update")
}

func indexOf(b, sub []byte) int {
	for i := range b {
		if len(b)-i >= len(sub) && string(b[i:i+len(sub)]) == string(sub) {
			return i
		}
	}
	return -1
}

func TestDraftSignsOnce(t *testing.T) {
	a := fixedCA(t)
	d := fixedDraft(t, a)
	require.Nil(t, a.redeem(t.Context(), d))
	e := a.redeem(t.Context(), d)
	require.NotNil(t, e)
	require.Equal(t, "redeemed", e.Code)
}

func TestAssembleWantsTBS(t *testing.T) {
	for _, bad := range []string{"", "00", "3000", "30030201ff"} {
		b, err := hex.DecodeString(bad)
		require.NoError(t, err)
		_, err = assemble(b, []byte("signature"))
		require.Error(t, err)
	}
}

func TestSerials(t *testing.T) {
	seen := map[Serial]bool{}
	for range 1000 {
		n := newSerial(time.Now())
		require.Positive(t, n.Sign())
		require.Len(t, n.Bytes(), 16)
		s := SerialOf(n)
		require.False(t, seen[s])
		seen[s] = true
		back, err := ParseSerial(s.Decimal())
		require.NoError(t, err)
		require.Equal(t, s, back)
		back, err = ParseSerial("0x" + string(s))
		require.NoError(t, err)
		require.Equal(t, s, back)
	}
	require.Nil(t, Serial("no serial").Int())
	require.Empty(t, Serial("").Decimal())
}
