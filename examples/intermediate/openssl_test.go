package main

import (
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// program finds software that nobody here wrote.
func program(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// OpenSSL finds CRL and OCSP by what is in the certificate, and believes both.
func TestOpenSSLFollowsThePointers(t *testing.T) {
	openssl := program(t, "openssl")
	dir := filepath.Join(t.TempDir(), "ca")
	p := begin(t, "-dir", dir, "-address", "127.0.0.1:0", "-http-address", "127.0.0.1:0")
	p.wait(`"msg":"ready"`)
	url, c := p.url(), client(t, dir)
	status, body := sign(t, c, url, dir, "admin")
	require.Equal(t, http.StatusCreated, status, body)
	rp := newRelyingParty(t, body)
	leaf := filepath.Join(t.TempDir(), "leaf.pem")
	require.NoError(t, os.WriteFile(leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rp.leaf.Raw}), 0o600))
	root, issuer := filepath.Join(dir, "certs", "root_ca.crt"), filepath.Join(dir, "certs", "intermediate_ca.crt")
	ask := func() (ocsp, crl string) {
		a, err := exec.CommandContext(t.Context(), openssl, "ocsp", "-issuer", issuer, "-cert", leaf, "-url", rp.leaf.OCSPServer[0], "-CAfile", root).CombinedOutput()
		require.NoError(t, err, "%s", a)
		require.Contains(t, string(a), "Response verify OK")
		b, _ := exec.CommandContext(t.Context(), openssl, "verify", "-CAfile", root, "-untrusted", issuer, "-crl_check", "-crl_download", leaf).CombinedOutput()
		return string(a), string(b)
	}
	ocsp, crl := ask()
	require.Contains(t, ocsp, "leaf.pem: good")
	require.Contains(t, crl, "leaf.pem: OK")

	serial := rp.leaf.SerialNumber.String()
	status, body = post(t, c, url+"/1.0/revoke", map[string]any{
		"serial": serial, "ott": token(t, dir, "admin", url+"/1.0/revoke", serial), "reasonCode": 1, "passive": true,
	})
	require.Equal(t, http.StatusOK, status, body)
	rp.eventually(1)
	ocsp, crl = ask()
	require.Contains(t, ocsp, "leaf.pem: revoked")
	require.Contains(t, ocsp, "keyCompromise")
	require.Contains(t, crl, "certificate revoked")
}
