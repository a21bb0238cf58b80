package crl

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
)

var update = flag.Bool("update", false, "write golden files")

var (
	issued  = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	ed      = []byte{0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70} // the AlgorithmIdentifier of Ed25519
)

func testIssuer(t testing.TB) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Golden CA", Organization: []string{"Chancery"}}, SubjectKeyId: []byte{1, 2, 3, 4},
		NotBefore: issued.Add(-time.Hour), NotAfter: issued.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, testKey.Public(), testKey)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// whole signs a TBSCertList with the test key.
func whole(tbs []byte) []byte {
	sig := append([]byte{0}, ed25519.Sign(testKey, tbs)...)
	body := append(bytes.Clone(tbs), ed...)
	body = append(append(body, header(0x03, len(sig))...), sig...)
	return append(header(0x30, len(body)), body...)
}

type testCase struct {
	name    string
	x       extensions
	next    time.Time
	entries []authority.Change
}

func change(serial string, at time.Time, reason int) authority.Change {
	return authority.Change{Serial: authority.Serial(serial), At: at, ReasonCode: reason}
}

func cases(t testing.TB) []testCase {
	shard, err := distributionPoint([]string{"http://crl.test/crl/a/7.crl", "http://other.test/7.crl"})
	require.NoError(t, err)
	some := []authority.Change{
		change("1", issued, 0), change("7f", issued, 1), change("80", issued.Add(time.Second), 6), change("abc", issued, 10),
		change("4066f0a1b2c3d4e5f60718293a4b5c6d", time.Date(1999, 12, 31, 23, 59, 59, 999, time.UTC), 4),
		change("ffffffffffffffffffffffffffffffffffffffff", time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), 9),
	}
	key := []byte{1, 2, 3, 4}
	return []testCase{
		{"empty", extensions{keyID: key, number: 1}, issued.Add(24 * time.Hour), nil},
		{"full", extensions{keyID: key, number: 1763640000000}, issued.Add(24 * time.Hour), some},
		{"freshest", extensions{keyID: key, number: 128, freshest: []string{"http://crl.test/d", "ldap://crl.test/d"}}, time.Date(2050, 1, 2, 0, 0, 0, 0, time.UTC), some[:1]},
		{"shard", extensions{keyID: key, number: 5, distribution: shard, freshest: []string{"http://crl.test/d"}}, issued.Add(time.Hour), some[1:3]},
		{"delta", extensions{keyID: key, number: 6, delta: true, base: 5, distribution: shard, freshest: []string{"never"}}, issued.Add(time.Hour), []authority.Change{change("80", issued, authority.ReasonRemoveFromCRL)}},
	}
}

func (c *testCase) tbs(t testing.TB, issuer *x509.Certificate) []byte {
	l := newList(ed, issuer.RawSubject, issued, c.next, 0)
	for i := range c.entries {
		require.NoError(t, l.add(&c.entries[i]))
	}
	x, err := c.x.der()
	require.NoError(t, err)
	return l.finish(x)
}

// crypto/x509 makes the same bytes.
func TestEncodesAsCryptoX509(t *testing.T) {
	issuer := testIssuer(t)
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			ours := c.tbs(t, issuer)
			p, err := dissect(whole(ours))
			require.NoError(t, err)
			like := &x509.RevocationList{Number: big.NewInt(c.x.number), ThisUpdate: issued, NextUpdate: c.next}
			for _, e := range c.entries {
				like.RevokedCertificateEntries = append(like.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: e.Serial.Int(), RevocationTime: e.At, ReasonCode: e.ReasonCode})
			}
			add := func(id []int, critical bool) {
				if v := p.extension(id); v != nil {
					like.ExtraExtensions = append(like.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: v})
				}
			}
			add(oidDelta, true)
			add(oidDistributionPoint, true)
			add(oidFreshest, false)
			der, err := x509.CreateRevocationList(rand.Reader, like, issuer, testKey)
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(der), hex.EncodeToString(whole(ours)))

			got, err := x509.ParseRevocationList(whole(ours))
			require.NoError(t, err)
			require.NoError(t, got.CheckSignatureFrom(issuer))
			require.Len(t, got.RevokedCertificateEntries, len(c.entries))
			require.True(t, p.signedBy(issuer, ed))
			require.False(t, p.signedBy(testIssuerNamed(t, "Another CA"), ed))
			require.Equal(t, c.x.distribution, nilIfEmpty(p.extension(oidDistributionPoint)))
			require.Equal(t, c.x.delta, p.extension(oidFreshest) == nil && p.extension(oidDelta) != nil)
		})
	}
}

func nilIfEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func testIssuerNamed(t testing.TB, name string) *x509.Certificate {
	c := *testIssuer(t)
	raw, err := (&list{}).name(name)
	require.NoError(t, err)
	c.RawSubject = raw
	return &c
}

func (*list) name(cn string) ([]byte, error) {
	c := &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}}
	der, err := x509.CreateCertificateRequest(rand.Reader, c, testKey)
	if err != nil {
		return nil, err
	}
	c, err = x509.ParseCertificateRequest(der)
	return c.RawSubject, err
}

func TestGolden(t *testing.T) {
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			got := fmt.Sprintf("%x\n", c.tbs(t, testIssuer(t)))
			path := filepath.Join("testdata", c.name+".tbs.hex")
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

func TestSerials(t *testing.T) {
	for s, want := range map[string]string{
		"1": "020101", "7f": "02017f", "80": "02020080", "fff": "02020fff", "8000": "0203008000",
		"7fffffffffffffffffffffffffffffffffffffff": "02147fffffffffffffffffffffffffffffffffffffff",
		"ffffffffffffffffffffffffffffffffffffffff": "021500ffffffffffffffffffffffffffffffffffffffff",
	} {
		got, err := appendSerial(nil, authority.Serial(s))
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(got))
	}
	for _, s := range []string{"", "0", "01", "A", "g", "-1", "1 ", "ffffffffffffffffffffffffffffffffffffffff0"} {
		_, err := appendSerial(nil, authority.Serial(s))
		require.Error(t, err, "%q", s)
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC), "\x17\x0d500101000000Z"},
		{time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), "\x17\x0d500101000000Z"},
		{time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), "\x17\x0d491231235959Z"},
		{time.Date(2050, 1, 1, 1, 0, 0, 0, time.FixedZone("", 7200)), "\x17\x0d491231230000Z"},
		{time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), "\x18\x0f20500101000000Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "\x18\x0f99991231235959Z"},
		{time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), "\x18\x0f99991231235959Z"},
		{time.Time{}, "\x17\x0d500101000000Z"},
	} {
		require.Equal(t, c.want, string(appendTime(nil, c.at)))
	}
}

func TestURLsMustBeASCII(t *testing.T) {
	_, err := distributionPoint([]string{"http://crl.test/ü"})
	require.Error(t, err)
	_, err = (&extensions{freshest: []string{"http://\x80"}}).der()
	require.Error(t, err)
}

func TestHeader(t *testing.T) {
	for n, want := range map[int]string{0: "3000", 127: "307f", 128: "308180", 255: "3081ff", 256: "30820100", 65536: "3083010000", 1 << 24: "308401000000"} {
		require.Equal(t, want, hex.EncodeToString(header(0x30, n)))
	}
}

// What is written reads back, whatever is in it.
func FuzzEncode(f *testing.F) {
	needSeeds(f)
	issuer := testIssuer(f)
	f.Fuzz(func(t *testing.T, in []byte, number int64, delta bool) {
		if number < 0 {
			number = 0
		}
		l := newList(ed, issuer.RawSubject, issued, issued.Add(time.Hour), 0)
		var want []x509.RevocationListEntry
		for len(in) >= 30 {
			n := new(big.Int).SetBytes(in[:1+int(in[29])%20])
			at := time.Unix(int64(binary.BigEndian.Uint32(in[20:])), 0).UTC()
			c := authority.Change{Serial: authority.SerialOf(n), At: at, ReasonCode: int(int8(in[28]))}
			in = in[30:]
			if err := l.add(&c); err != nil {
				require.Zero(t, n.Sign())
				continue
			}
			e := x509.RevocationListEntry{SerialNumber: n, RevocationTime: at}
			if r := c.ReasonCode; r > 0 && r <= 10 && r != 7 {
				e.ReasonCode = r
			}
			want = append(want, e)
		}
		tail, err := (&extensions{keyID: issuer.SubjectKeyId, number: number, delta: delta}).der()
		require.NoError(t, err)
		var listed []authority.Serial
		l.serials(func(s authority.Serial) { listed = append(listed, s) })
		der := whole(l.finish(tail))
		got, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		require.NoError(t, got.CheckSignatureFrom(issuer))
		require.Len(t, got.RevokedCertificateEntries, len(want))
		require.Len(t, listed, len(want))
		for i, w := range want {
			g := got.RevokedCertificateEntries[i]
			require.Zero(t, w.SerialNumber.Cmp(g.SerialNumber))
			require.True(t, w.RevocationTime.Equal(g.RevocationTime))
			require.Equal(t, w.ReasonCode, g.ReasonCode)
			require.Equal(t, authority.SerialOf(w.SerialNumber), listed[i])
		}
		p, err := dissect(der)
		require.NoError(t, err)
		require.Equal(t, tail, p.extensions)
	})
}

// Whatever a store gives back as a CRL is taken apart without harm.
func FuzzDissect(f *testing.F) {
	issuer := testIssuer(f)
	needSeeds(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		p, err := dissect(der)
		if err != nil {
			return
		}
		require.True(t, bytes.Contains(der, p.tbs))
		p.extension(oidDistributionPoint)
		p.signedBy(issuer, ed)
	})
}

// needSeeds fails a fuzz target whose seeds are gone.
func needSeeds(f *testing.F) {
	f.Helper()
	if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name())); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}
