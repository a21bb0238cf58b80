package httpapi

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

func pemOf(crts ...*minted) string {
	var b strings.Builder
	for _, c := range crts {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.crt.Raw})
	}
	return b.String()
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b) + "\n"
}

// TestReadRoutes holds the exact answers of the routes that only read.
func TestReadRoutes(t *testing.T) {
	w := newWorld(t, &Options{Version: "0.30.2"})
	other := mint(t, "Other Root", true, nil)
	w.federated = []*x509.Certificate{other.crt}
	sum := sha256.Sum256(w.root.crt.Raw)
	fp := hex.EncodeToString(sum[:])
	osum := sha256.Sum256(other.crt.Raw)
	for _, c := range []struct {
		path, body string
		status     int
		typ        string
	}{
		{"/health", `{"status":"ok"}` + "\n", 200, "application/json"},
		{"/version", `{"version":"0.30.2"}` + "\n", 200, "application/json"},
		{"/roots", jsonOf(t, map[string]any{"crts": []string{pemOf(w.root)}}), 201, "application/json"},
		{"/roots.pem", pemOf(w.root), 200, "application/x-pem-file"},
		{"/intermediates", jsonOf(t, map[string]any{"crts": []string{pemOf(w.inter)}}), 201, "application/json"},
		{"/intermediates.pem", pemOf(w.inter), 200, "application/x-pem-file"},
		{"/federation", jsonOf(t, map[string]any{"crts": []string{pemOf(w.root), pemOf(other)}}), 201, "application/json"},
		{"/root/" + fp, jsonOf(t, map[string]any{"ca": pemOf(w.root)}), 200, "application/json"},
		{"/root/" + strings.ToUpper(fp), jsonOf(t, map[string]any{"ca": pemOf(w.root)}), 200, "application/json"},
		{"/root/" + fp[:8] + "-" + fp[8:], jsonOf(t, map[string]any{"ca": pemOf(w.root)}), 200, "application/json"},
		{"/root/" + hex.EncodeToString(osum[:]), jsonOf(t, map[string]any{"ca": pemOf(other)}), 200, "application/json"},
		{"/provisioners", `{"provisioners":[],"nextCursor":""}` + "\n", 200, "application/json"},
	} {
		for _, prefix := range []string{"", "/1.0"} {
			for _, method := range []string{"GET", "HEAD"} {
				t.Run(method+prefix+c.path, func(t *testing.T) {
					got := do(w.handler, request{method: method, path: prefix + c.path})
					require.Equal(t, c.status, got.Code)
					require.Equal(t, c.typ, got.Header().Get("Content-Type"))
					require.Equal(t, fmt.Sprint(len(c.body)), got.Header().Get("Content-Length"))
					require.NotEmpty(t, got.Header().Get("X-Request-Id"))
					if method == "HEAD" {
						require.Empty(t, got.Body.String())
					} else {
						require.Equal(t, c.body, got.Body.String())
					}
				})
			}
		}
	}
	for _, path := range []string{"/root/" + strings.Repeat("0", 64), "/root/x", "/root/" + fp + "00", "/provisioners/x/encrypted-key"} {
		requireError(t, 404, do(w.handler, request{method: "GET", path: path}))
	}
	w.intermediates = nil
	requireError(t, 501, do(w.handler, request{method: "GET", path: "/intermediates"}))
	requireError(t, 501, do(w.handler, request{method: "GET", path: "/intermediates.pem"}))
	require.Zero(t, w.calls())
}

func TestSign(t *testing.T) {
	w := newWorld(t, nil)
	body := signBodyOf(t, map[string]any{
		"notBefore": "5m", "notAfter": "2030-01-02T03:04:05Z", "templateData": map[string]any{"a": []any{"<b>", 1.0}}, "unknown": true,
	})
	got := do(w.handler, request{method: "POST", path: "/1.0/sign", body: body, header: map[string]string{"X-Request-Id": "id-1"}, peer: w.leaf})
	require.Equal(t, 201, got.Code, got.Body.String())
	require.Equal(t, "application/json", got.Header().Get("Content-Type"))
	require.Equal(t, "id-1", got.Header().Get("X-Request-Id"))
	want := fmt.Sprintf(`{"crt":%s,"ca":%s,"certChain":[%[1]s,%[2]s],"tlsOptions":{"cipherSuites":["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256","TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],"minVersion":1.2,"maxVersion":1.3,"renegotiation":false}}`+"\n",
		strings.TrimSpace(jsonOf(t, pemOf(w.leaf))), strings.TrimSpace(jsonOf(t, pemOf(w.inter))))
	require.Equal(t, want, got.Body.String())

	require.Len(t, w.issued, 1)
	q := w.issued[0]
	require.Equal(t, provisioner.X509Sign, q.Operation)
	require.Equal(t, "a.b.c", q.Token)
	require.Nil(t, q.Certificate, "a sign request knows no client certificate")
	require.Equal(t, provisioner.NoProof, q.Proof)
	require.False(t, q.Local)
	require.Equal(t, "id-1", q.RequestID)
	require.Equal(t, []string{"leaf.internal"}, q.CSR.DNSNames)
	require.Equal(t, authority.When{Duration: 5 * time.Minute}, q.NotBefore)
	require.Equal(t, authority.When{Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}, q.NotAfter)
	require.Equal(t, map[string]any{"a": []any{"<b>", 1.0}}, q.UserData)
}

// TestZeroTime holds acceptance T03: the zero time is one way not to say when.
func TestZeroTime(t *testing.T) {
	w := newWorld(t, nil)
	body := signBodyOf(t, map[string]any{"notBefore": "0001-01-01T00:00:00Z", "notAfter": "0001-01-01T00:00:00Z", "templateData": nil})
	require.Equal(t, 201, do(w.handler, request{method: "POST", path: "/sign", body: body}).Code)
	require.True(t, w.issued[0].NotBefore.IsZero())
	require.True(t, w.issued[0].NotAfter.IsZero())
	require.Nil(t, w.issued[0].UserData)
}

func TestSignBadRequests(t *testing.T) {
	w := newWorld(t, nil)
	csr := csrPEM(t, "a")
	for name, body := range map[string]string{
		"empty":             ``,
		"no json":           `{"csr":`,
		"trailing":          signBodyOf(t, nil) + "{}",
		"array":             `[]`,
		"null":              `null`,
		"no csr":            signBodyOf(t, map[string]any{"csr": ""}),
		"no ott":            signBodyOf(t, map[string]any{"ott": ""}),
		"csr number":        signBodyOf(t, map[string]any{"csr": 1}),
		"csr text":          signBodyOf(t, map[string]any{"csr": "hello"}),
		"csr type":          signBodyOf(t, map[string]any{"csr": strings.ReplaceAll(csr, "REQUEST", "")}),
		"csr der":           signBodyOf(t, map[string]any{"csr": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"}),
		"csr twice":         signBodyOf(t, map[string]any{"csr": csr + csr}),
		"csr and text":      signBodyOf(t, map[string]any{"csr": csr + "x"}),
		"notBefore":         signBodyOf(t, map[string]any{"notBefore": "soon"}),
		"notAfter":          signBodyOf(t, map[string]any{"notAfter": "1 day"}),
		"notAfter number":   signBodyOf(t, map[string]any{"notAfter": 5}),
		"templateData":      signBodyOf(t, map[string]any{"templateData": "x"}),
		"templateData []":   signBodyOf(t, map[string]any{"templateData": []int{1}}),
		"deep":              `{"templateData":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40) + `}`,
		"ridiculously deep": strings.Repeat(`[`, 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			requireError(t, 400, do(w.handler, request{method: "POST", path: "/sign", body: body}))
		})
	}
	require.Zero(t, w.calls())
}

func TestSignAccepts(t *testing.T) {
	w := newWorld(t, nil)
	csr := csrPEM(t, "a")
	for name, body := range map[string]string{
		"old label":    signBodyOf(t, map[string]any{"csr": strings.ReplaceAll(csr, " CERT", " NEW CERT")}),
		"crlf":         signBodyOf(t, map[string]any{"csr": strings.ReplaceAll(csr, "\n", "\r\n")}),
		"text before":  signBodyOf(t, map[string]any{"csr": "Certificate Request:\n    Data\n" + csr}),
		"space behind": signBodyOf(t, map[string]any{"csr": csr + "\n \n"}),
		"newline":      signBodyOf(t, nil) + "\n",
		"last wins":    `{"ott":"no","templateData":{"x":1},` + signBodyOf(t, map[string]any{"templateData": map[string]any{"y": 2}})[1:],
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 201, do(w.handler, request{method: "POST", path: "/sign", body: body}).Code)
		})
	}
	for _, q := range w.issued {
		require.Equal(t, "a.b.c", q.Token)
		require.NotContains(t, q.UserData, "x")
	}
}

func TestRenewAndRekey(t *testing.T) {
	for _, path := range []string{"/renew", "/re-sign"} {
		w := newWorld(t, nil)
		bearer := map[string]string{"Authorization": "bearer a.b.c"}

		requireError(t, 400, do(w.handler, request{method: "POST", path: path}))
		requireError(t, 400, do(w.handler, request{method: "POST", path: path, header: map[string]string{"Authorization": "Basic a.b.c"}}))
		requireError(t, 400, do(w.handler, request{method: "POST", path: path, header: map[string]string{"Authorization": "a.b.c"}}))
		require.Zero(t, w.calls())

		require.Equal(t, 201, do(w.handler, request{method: "POST", path: path, header: bearer}).Code)
		require.Equal(t, "a.b.c", w.issued[0].Token)
		require.Nil(t, w.issued[0].Certificate)
		require.Equal(t, provisioner.NoProof, w.issued[0].Proof)

		// The connection's certificate wins.
		require.Equal(t, 201, do(w.handler, request{method: "POST", path: path, header: bearer, peer: w.leaf}).Code)
		require.Empty(t, w.issued[1].Token)
		require.Equal(t, w.leaf.crt, w.issued[1].Certificate)
		require.Equal(t, provisioner.TLSProof, w.issued[1].Proof)
		require.Equal(t, provisioner.X509Renew, w.issued[1].Operation)
	}

	w := newWorld(t, nil)
	body := jsonOf(t, map[string]string{"csr": csrPEM(t)})
	requireError(t, 400, do(w.handler, request{method: "POST", path: "/rekey", body: body}))
	requireError(t, 400, do(w.handler, request{method: "POST", path: "/rekey", body: body, header: map[string]string{"Authorization": "Bearer a.b.c"}}))
	requireError(t, 400, do(w.handler, request{method: "POST", path: "/rekey", body: `{}`, peer: w.leaf}))
	require.Zero(t, w.calls())
	require.Equal(t, 201, do(w.handler, request{method: "POST", path: "/rekey", body: body, peer: w.leaf}).Code)
	require.Equal(t, provisioner.X509Rekey, w.issued[0].Operation)
	require.Equal(t, w.leaf.crt, w.issued[0].Certificate)
	require.NotNil(t, w.issued[0].CSR)
}

// TestPresentedIsNotProven: without a verified chain a certificate is something the client has read.
func TestPresentedIsNotProven(t *testing.T) {
	w := newWorld(t, nil)
	q := request{method: "POST", path: "/renew", peer: w.leaf}.http()
	q.TLS.VerifiedChains = nil
	got := recorder(w.handler, q)
	requireError(t, 400, got)
	require.Zero(t, w.calls())
}

func TestRevoke(t *testing.T) {
	w := newWorld(t, nil)
	serial := w.leaf.crt.SerialNumber
	body := func(more map[string]any) string {
		m := map[string]any{"serial": serial.String(), "ott": "a.b.c", "reasonCode": 1, "reason": "lost", "passive": true}
		for k, v := range more {
			m[k] = v
		}
		return jsonOf(t, m)
	}
	for _, c := range []struct {
		name   string
		more   map[string]any
		peer   *minted
		status int
	}{
		{"token", nil, nil, 200},
		{"hex", map[string]any{"serial": "0x" + serial.Text(16)}, nil, 200},
		{"certificate", map[string]any{"ott": ""}, w.leaf, 200},
		{"token wins", nil, w.inter, 200},
		{"no serial", map[string]any{"serial": ""}, nil, 400},
		{"octal", map[string]any{"serial": "0777"}, nil, 400},
		{"bare hex", map[string]any{"serial": "abcdef"}, nil, 400},
		{"negative", map[string]any{"serial": "-5"}, nil, 400},
		{"reason -1", map[string]any{"reasonCode": -1}, nil, 400},
		{"reason 11", map[string]any{"reasonCode": 11}, nil, 400},
		{"reason 7", map[string]any{"reasonCode": 7}, nil, 400},
		{"reason 8", map[string]any{"reasonCode": 8}, nil, 400},
		{"reason 1.5", map[string]any{"reasonCode": 1.5}, nil, 400},
		{"reason 10", map[string]any{"reasonCode": 10}, nil, 200},
		{"long text", map[string]any{"reason": strings.Repeat("x", 1025)}, nil, 400},
		{"active", map[string]any{"passive": false}, nil, 501},
		{"no credential", map[string]any{"ott": ""}, nil, 400},
		{"other serial", map[string]any{"ott": ""}, w.inter, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(w.revoked)
			got := do(w.handler, request{method: "POST", path: "/revoke", body: body(c.more), peer: c.peer})
			if c.status != 200 {
				requireError(t, c.status, got)
				require.Len(t, w.revoked, before)
				return
			}
			require.Equal(t, 200, got.Code, got.Body.String())
			require.Equal(t, `{"status":"ok"}`+"\n", got.Body.String())
			q := w.revoked[before]
			require.Equal(t, authority.SerialOf(serial), q.Serial)
			require.Equal(t, q.Token == "", q.Proof == provisioner.TLSProof)
			require.Equal(t, q.Token == "", q.Certificate != nil)
			require.False(t, q.Local)
			require.Equal(t, "lost", q.Reason)
		})
	}
}

// TestNothingElse: paths and methods outside the table are not there.
func TestNothingElse(t *testing.T) {
	w := newWorld(t, nil)
	w.provs = []provisioner.Provisioner{visitor{Provisioner: named("a")}, named("x")}
	for _, path := range []string{
		"/", "/1.0", "/1.0/", "/2.0/health", "/1.0/1.0/health", "/health/", "//health", "/./health", "/Health", "/admin/admins", "/admin/provisioners",
		"/ssh", "/ssh/", "/ssh/signs", "/crls",
		"/acme", "/acme/", "/acme/x/directory", "/acme/a", "/acme/A/directory", "/acme/ab/directory", "/acme//a/directory", "/acme/../acme/a/directory",
		"/1.0/acme/a/directory", "/2.0/acme/x/directory", "/2.0/acme/a", "/2.0/2.0/acme/a/directory", "/2.0/1.0/acme/a/directory", "/1.0/2.0/acme/a/directory",
		"/scep/x", "/root/", "/root/a/b", "/provisioners//encrypted-key", "/sign.json",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := do(w.handler, request{method: method, path: path})
			require.Equal(t, 404, got.Code, path)
			require.Equal(t, "404 page not found\n", got.Body.String())
			require.Equal(t, "text/plain; charset=utf-8", got.Header().Get("Content-Type"))
		}
	}
	for _, rt := range Routes() {
		path := concrete(rt.Path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "FOO"} {
			if method == rt.Method || method == "HEAD" && rt.Method == "GET" {
				continue
			}
			got := do(w.handler, request{method: method, path: path})
			if rt.Method == Any {
				require.Equal(t, http.StatusTeapot, got.Code, method+path)
				continue
			}
			require.Equal(t, 405, got.Code, method+path)
			require.Empty(t, got.Body.String())
			require.Contains(t, got.Header().Get("Allow"), rt.Method)
			require.NotEmpty(t, got.Header().Get("X-Request-Id"))
		}
	}
	require.Zero(t, w.calls())
}

func TestUnderPrefix(t *testing.T) {
	w := newWorld(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/my/ca/", http.StripPrefix("/my/ca", w.handler))
	require.Equal(t, 200, do(mux, request{method: "GET", path: "/my/ca/health"}).Code)
	require.Equal(t, 200, do(mux, request{method: "GET", path: "/my/ca/1.0/health"}).Code)
	require.Equal(t, 404, do(mux, request{method: "GET", path: "/health"}).Code)
}
