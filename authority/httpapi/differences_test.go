package httpapi

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
)

// TestDifferences holds, against a real authority, what the package comment says about tokens, renewal
// and revocation where step-ca does otherwise.
func TestDifferences(t *testing.T) {
	h := newHouse(t, kinds()[0])
	post := func(path string, body map[string]any, header map[string]string, peer *minted) (int, string) {
		t.Helper()
		q := request{method: "POST", path: path, header: header, peer: peer}
		if body != nil {
			q.body = jsonOf(t, body)
		}
		w := do(h.handler, q)
		if w.Code >= 400 {
			return w.Code, requireError(t, w.Code, w)
		}
		return w.Code, w.Body.String()
	}
	revoke := func(tok, serial string) int {
		t.Helper()
		status, _ := post("/revoke", map[string]any{"serial": serial, "ott": tok, "passive": true}, nil, nil)
		return status
	}

	// A refused request leaves the token as good as it was; a granted one does not.
	tok := h.token(t, h.mine, provisioner.X509Sign, nil)
	status, msg := post("/sign", map[string]any{"csr": csrPEM(t, "evil.internal"), "ott": tok}, nil, nil)
	require.Equal(t, 403, status)
	require.Contains(t, msg, ": ", "who is known is told why")
	status, _ = post("/sign", map[string]any{"csr": h.csr, "ott": tok, "notAfter": "1000h"}, nil, nil)
	require.Equal(t, 403, status)
	status, _ = post("/sign", map[string]any{"csr": h.csr, "ott": tok}, nil, nil)
	require.Equal(t, 201, status)
	status, _ = post("/sign", map[string]any{"csr": h.csr, "ott": tok}, nil, nil)
	require.Equal(t, 401, status)

	// A token from before the start is good.
	old := h.token(t, h.mine, provisioner.X509Sign, map[string]any{"iat": time.Now().Add(-time.Hour).Unix()})
	status, _ = post("/sign", map[string]any{"csr": h.csr, "ott": old}, nil, nil)
	require.Equal(t, 201, status)

	// A CSR that does not prove its key is the request's fault.
	status, _ = post("/sign", map[string]any{"csr": forged(t, h.csr), "ott": h.token(t, h.mine, provisioner.X509Sign, nil)}, nil, nil)
	require.Equal(t, 400, status)

	// A renew token for elsewhere is 401, and one for here works once.
	bearer := func(tok string) map[string]string { return map[string]string{"Authorization": "Bearer " + tok} }
	status, _ = post("/renew", nil, bearer(h.renewToken(t, h.leaf, []*minted{h.inter}, "https://elsewhere/1.0/renew")), nil)
	require.Equal(t, 401, status)
	renewal := h.renewToken(t, h.leaf, []*minted{h.inter}, caURL+"/renew")
	status, _ = post("/renew", nil, bearer(renewal), nil)
	require.Equal(t, 201, status)
	status, _ = post("/renew", nil, bearer(renewal), nil)
	require.Equal(t, 401, status)

	// Only its own provisioner's token revokes a certificate.
	serial := h.leaf.crt.SerialNumber
	other := func(sub string) string {
		return h.token(t, h.other, provisioner.X509Revoke, map[string]any{"iss": "other", "sub": sub})
	}
	require.Equal(t, 403, revoke(other(serial.String()), serial.String()))
	require.Equal(t, 404, revoke(other("12345"), "12345"))
	require.Equal(t, 400, revoke(other("12345"), "012345"))
	require.Equal(t, 401, revoke(h.token(t, h.mine, provisioner.X509Sign, map[string]any{"sub": serial.String()}), serial.String()))
	good := h.token(t, h.mine, provisioner.X509Revoke, nil)
	require.Equal(t, 403, revoke(good, h.dead.crt.SerialNumber.String()))
	require.Equal(t, 200, revoke(good, "0x"+strings.ToUpper(serial.Text(16))))
	require.Equal(t, 400, revoke(h.token(t, h.mine, provisioner.X509Revoke, nil), serial.String()), "revoked already")
	status, _ = post("/renew", nil, nil, h.leaf)
	require.Equal(t, 401, status)
	status, _ = post("/revoke", map[string]any{"serial": serial.String(), "passive": true}, nil, h.leaf)
	require.Equal(t, 400, status, "revoked already")
}

// forged changes a byte of the signature.
func forged(t *testing.T, csr string) string {
	t.Helper()
	end := strings.Index(csr, "\n-----END")
	b := []byte(csr)
	for b[end-5] == 'A' || b[end-5] == '=' {
		end--
	}
	b[end-5] = 'A'
	require.NotEqual(t, csr, string(b))
	return string(b)
}

// TestExpiredRenewal: who comes too late learns that, whatever the way.
func TestExpiredRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, kinds()[0])
		time.Sleep(25 * time.Hour)
		tok := h.renewToken(t, h.leaf, []*minted{h.inter}, caURL+"/1.0/renew")
		for _, q := range []request{
			{method: "POST", path: "/renew", peer: h.leaf},
			{method: "POST", path: "/renew", header: map[string]string{"Authorization": "Bearer " + tok}},
		} {
			w := do(h.handler, q)
			require.Contains(t, requireError(t, 401, w), h.leaf.crt.NotAfter.UTC().Format(time.RFC3339))
		}
	})
}
