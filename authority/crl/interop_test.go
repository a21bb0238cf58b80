package crl_test

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
	"github.com/chancery-ca/chancery/provisioner"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// program finds software that nobody here wrote.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

func pemFile(t *testing.T, kind string, ders ...[]byte) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.pem")
	require.NoError(t, err)
	for _, der := range ders {
		require.NoError(t, pem.Encode(f, &pem.Block{Type: kind, Bytes: der}))
	}
	require.NoError(t, f.Close())
	return f.Name()
}

// issue takes a certificate through the pipeline.
func (l *lab) issue(profile string) *x509.Certificate {
	l.Helper()
	csr, err := authority.NewRequest(newKey(l), "", provisioner.ParseNames([]string{"x.test"}))
	require.NoError(l, err)
	c, err := l.ca.Issue(l.Context(), &authority.Request{Provisioner: authoritytest.Local, Local: true, Profile: profile, CSR: csr})
	require.NoError(l, err)
	return c.Leaf
}

// foreign is a relying party's view: two issuers in one store, certificates of each.
type foreign struct {
	*lab
	pub *crl.Publisher
}

func newForeign(t *testing.T, shards int, delta bool) *foreign {
	l := newLab(t, pointers(shards, delta))
	return &foreign{l, l.publisher(crl.Options{OnChange: -1})}
}

func (f *foreign) publish() { require.NoError(f, f.pub.Publish(f.Context())) }

// deltas makes the deltas that are due after changes, and nothing else.
func (f *foreign) deltas(t *testing.T) {
	p := f.publisher(crl.Options{})
	ctx, done := t.Context(), make(chan error)
	old := f.crl("a", 0, true).Number
	stop, cancel := context.WithCancel(ctx)
	go func() { done <- p.Run(stop) }()
	caughtUp := func() bool { // each shard has a delta of its own, made one after the other
		return f.crl("a", 0, true).Number > old && p.Ready() == nil && len(crltest.Verify(ctx, f.ca)) == 0
	}
	require.Eventually(t, caughtUp, 20*time.Second, 10*time.Millisecond)
	cancel()
	<-done
}

// openssl verifies a certificate against the CRLs that its own extensions name, as a relying party would
// that fetches them.
func (f *foreign) openssl(t *testing.T, leaf *x509.Certificate, issuer string, shard int, delta bool) (string, error) {
	t.Helper()
	root := pemFile(t, "CERTIFICATE", f.root.Raw)
	var chain [][]byte
	for _, i := range f.ca.Issuers() {
		chain = append(chain, i.Certificate.Raw)
	}
	args := []string{"verify", "-crl_check", "-extended_crl", "-CAfile", root, "-untrusted", pemFile(t, "CERTIFICATE", chain...)}
	crls := [][]byte{f.crl(issuer, shard, false).DER}
	if delta {
		crls = append(crls, f.crl(issuer, shard, true).DER)
		args = append(args, "-use_deltas")
	}
	args = append(args, "-CRLfile", pemFile(t, "X509 CRL", crls...), pemFile(t, "CERTIFICATE", leaf.Raw))
	out, err := exec.CommandContext(t.Context(), program(t, "openssl"), args...).CombinedOutput()
	return string(out), err
}

func shardIn(t *testing.T, c *x509.Certificate) int {
	for n := range 10 {
		if strings.HasSuffix(c.CRLDistributionPoints[0], "/"+string(rune('0'+n))+".crl") {
			return n
		}
	}
	t.Fatalf("no shard in %v", c.CRLDistributionPoints)
	return 0
}

func TestOpenSSL(t *testing.T) {
	for _, c := range []struct {
		name   string
		shards int
		delta  bool
	}{{"full", 0, false}, {"sharded", 3, false}, {"delta", 0, true}, {"sharded delta", 3, true}} {
		t.Run(c.name, func(t *testing.T) {
			program(t, "openssl")
			f := newForeign(t, c.shards, c.delta)
			profile := map[string]string{"a": "", "b": "b"}
			for issuer, other := range map[string]string{"a": "b", "b": "a"} {
				good, bad, later, held := f.issue(profile[issuer]), f.issue(profile[issuer]), f.issue(profile[issuer]), f.issue(profile[issuer])
				shardOf := func(k *x509.Certificate) int {
					if c.shards == 0 {
						return 0
					}
					return shardIn(t, k)
				}
				ok := func(k *x509.Certificate, delta bool) {
					t.Helper()
					for _, shard := range []int{0, shardOf(k)} { // the complete one will do as well
						out, err := f.openssl(t, k, issuer, shard, delta)
						require.NoError(t, err, out)
					}
				}
				revoked := func(k *x509.Certificate, delta bool) {
					t.Helper()
					for _, shard := range []int{0, shardOf(k)} {
						out, err := f.openssl(t, k, issuer, shard, delta)
						require.Error(t, err, out)
						require.Contains(t, out, "certificate revoked")
					}
				}
				f.revoke(authority.SerialOf(bad.SerialNumber), 1)
				f.revoke(authority.SerialOf(held.SerialNumber), authority.ReasonCertificateHold)
				f.publish()
				ok(good, false)
				revoked(bad, false)
				revoked(held, false)
				out, err := f.openssl(t, bad, other, 0, false)
				require.Error(t, err)
				require.NotContains(t, out, "certificate revoked", "the other issuer's CRL says nothing")
				require.Contains(t, out, "CRL")
				if c.shards > 0 {
					out, err = f.openssl(t, good, issuer, 1+shardOf(good)%c.shards, false)
					require.Error(t, err)
					require.Contains(t, out, "different CRL scope", "another shard's CRL is not for it")
				}
				if !c.delta {
					continue
				}
				ok(good, true)
				revoked(bad, true)
				f.revoke(authority.SerialOf(later.SerialNumber), 4)
				require.NoError(t, f.store.Release(t.Context(), authority.SerialOf(held.SerialNumber), time.Now(), nil))
				f.revoke(authority.SerialOf(f.issue("").SerialNumber), 4) // so that a's delta is a new one, too
				ok(later, true)
				f.deltas(t)
				ok(later, false)
				revoked(later, true)
				ok(held, true)
				revoked(bad, true)
				ok(good, true)
			}
		})
	}
}

// What OpenSSL reads out of a CRL, and its word on the signature.
func TestOpenSSLReads(t *testing.T) {
	f := newForeign(t, 2, true)
	s := f.revoked("b", 2, time.Now().Add(day))
	f.publish()
	for _, i := range f.ca.Issuers() {
		for shard := range 3 {
			for _, delta := range []bool{false, true} {
				ca, list := pemFile(t, "CERTIFICATE", i.Certificate.Raw), pemFile(t, "X509 CRL", f.crl(i.Name, shard, delta).DER)
				b, err := exec.CommandContext(t.Context(), program(t, "openssl"), "crl", "-in", list, "-CAfile", ca, "-verify", "-noout", "-text").CombinedOutput()
				out := string(b)
				require.NoError(t, err, out)
				require.Contains(t, out, "verify OK")
				require.Contains(t, out, "Version 2 (0x1)")
				require.Contains(t, out, "X509v3 CRL Number")
				require.Equal(t, shard > 0, strings.Contains(out, "X509v3 Issuing Distribution Point: critical"), out)
				require.Equal(t, delta, strings.Contains(out, "X509v3 Delta CRL Indicator: critical"), out)
				require.Equal(t, !delta, strings.Contains(out, "X509v3 Freshest CRL"), out)
				listed := i.Name == "b" && shard != 1 && !delta
				require.Equal(t, listed, strings.Contains(out, "Serial Number: "+strings.ToUpper(string(s))), out)
				require.Equal(t, !listed, strings.Contains(out, "No Revoked Certificates"), out)
			}
		}
	}
}

func TestGnuTLS(t *testing.T) {
	f := newForeign(t, 2, true)
	f.revoked("b", 2, time.Now().Add(day))
	f.publish()
	for _, i := range f.ca.Issuers() {
		for shard := range 3 {
			for _, delta := range []bool{false, true} {
				list := pemFile(t, "X509 CRL", f.crl(i.Name, shard, delta).DER)
				verify := func(ca *x509.Certificate) (string, error) {
					b, err := exec.CommandContext(t.Context(), program(t, "certtool"), "--verify-crl", "--load-ca-certificate", pemFile(t, "CERTIFICATE", ca.Raw), "--infile", list).CombinedOutput()
					return string(b), err
				}
				out, err := verify(i.Certificate)
				require.NoError(t, err, out)
				require.Contains(t, out, "Verified")
				out, err = verify(f.root)
				require.True(t, err != nil || strings.Contains(out, "Not verified"), out)
				b, err := exec.CommandContext(t.Context(), program(t, "certtool"), "--crl-info", "--infile", list).CombinedOutput()
				require.NoError(t, err, string(b))
				require.Contains(t, string(b), "CRL Number")
				require.Contains(t, string(b), "Authority Key Identifier")
			}
		}
	}
}
