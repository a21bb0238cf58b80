package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
)

// requireSeeds fails when the committed corpus of a target is gone.
func requireSeeds(f *testing.F) {
	f.Helper()
	if seeds, _ := filepath.Glob(filepath.Join("testdata", "fuzz", f.Name(), "*")); len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}

// FuzzSign: a body is refused with a well-formed error, or the request that comes of it says what the
// body says and nothing that a body may not say.
func FuzzSign(f *testing.F) {
	requireSeeds(f)
	f.Add([]byte(signBodyOf(f, map[string]any{"notAfter": "5m", "templateData": map[string]any{"a": 1}})))
	w := newWorld(f, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		var asked *authority.Request
		w.issue = func(_ context.Context, r *authority.Request) (*authority.Certificate, error) {
			asked = r
			return w.answer, nil
		}
		got := recorder(w.handler, httptest.NewRequest("POST", "/sign", bytes.NewReader(body)))
		if asked == nil {
			require.Contains(t, []int{400, 413}, got.Code)
			requireError(t, got.Code, got)
			return
		}
		require.Equal(t, 201, got.Code)
		require.True(t, json.Valid(body))
		require.NotNil(t, asked.CSR)
		require.NotEmpty(t, asked.Token)
		require.Empty(t, asked.Provisioner)
		require.Nil(t, asked.Certificate)
		require.False(t, asked.Local)
		require.Zero(t, asked.Proof)
	})
}

// FuzzRevoke: of a body comes an error, or a request for one serial in its one spelling.
func FuzzRevoke(f *testing.F) {
	requireSeeds(f)
	f.Add([]byte(`{"serial":"0x1f","ott":"a.b.c","reasonCode":4,"reason":"superseded","passive":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var b revokeRequest
		if err := unmarshal(body, &b); err != nil {
			require.ErrorIs(t, err, authority.BadRequest)
			return
		}
		r, err := b.request()
		if err != nil {
			require.Contains(t, []authority.Kind{authority.BadRequest, authority.Unsupported}, authority.KindOf(err))
			return
		}
		require.Equal(t, authority.SerialOf(r.Serial.Int()), r.Serial)
		again, err := authority.ParseSerial(r.Serial.Decimal())
		require.NoError(t, err)
		require.Equal(t, r.Serial, again)
		require.Nil(t, r.Certificate)
		require.False(t, r.Local)
	})
}

// FuzzHeader: a header is refused, or holds one certificate that writes back unchanged.
func FuzzHeader(f *testing.F) {
	requireSeeds(f)
	leaf := mint(f, "leaf.internal", false, nil)
	b64 := base64.StdEncoding.EncodeToString(leaf.crt.Raw)
	f.Add(b64)
	f.Add(":" + b64 + ":")
	f.Add(url.PathEscape(pemOf(leaf)))
	f.Fuzz(func(t *testing.T, v string) {
		crts, err := parseHeader(v)
		if err != nil {
			require.Nil(t, crts)
			return
		}
		require.Len(t, crts, 1)
		again, err := parseHeader(":" + base64.StdEncoding.EncodeToString(crts[0].Raw) + ":")
		require.NoError(t, err)
		require.True(t, crts[0].Equal(again[0]))
	})
}

// FuzzPath: no path or query of a GET makes anything but a well-formed answer without a side effect.
func FuzzPath(f *testing.F) {
	requireSeeds(f)
	f.Add("/provisioners", "limit=3&cursor=x")
	w := newWorld(f, nil)
	w.provs = listed("a", "b", "c")
	f.Fuzz(func(t *testing.T, path, query string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
		got := recorder(w.handler, r)
		switch got.Header().Get("Content-Type") {
		case "application/json":
			require.True(t, json.Valid(got.Body.Bytes()))
		case "application/x-pem-file":
			require.Equal(t, 200, got.Code)
		case "text/plain; charset=utf-8":
			require.Equal(t, 404, got.Code)
		default:
			require.Equal(t, 405, got.Code)
		}
		require.True(t, saneID(got.Header().Get("X-Request-Id")))
		require.True(t, utf8.Valid(got.Body.Bytes()))
		require.Zero(t, w.calls())
	})
}

// FuzzDepth: a document that is not too deep is one that encoding/json agrees is not.
func FuzzDepth(f *testing.F) {
	requireSeeds(f)
	f.Add([]byte(`{"a":["\"{[",{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tooDeep(b) || !json.Valid(b) {
			return
		}
		var v any
		require.NoError(t, json.Unmarshal(b, &v))
		require.LessOrEqual(t, depthOf(v), maxDepth)
	})
}

func depthOf(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, depthOf(e))
		}
	case []any:
		for _, e := range v {
			deepest = max(deepest, depthOf(e))
		}
	default:
		return 0
	}
	return deepest + 1
}

// TestWriteSeeds writes the committed corpora anew: CHANCERY_SEEDS=write go test -run TestWriteSeeds
func TestWriteSeeds(t *testing.T) {
	if os.Getenv("CHANCERY_SEEDS") != "write" {
		t.Skip("set CHANCERY_SEEDS=write to write the fuzz targets' seeds")
	}
	leaf := mint(t, "leaf.internal", false, nil)
	b64 := base64.StdEncoding.EncodeToString(leaf.crt.Raw)
	quote := func(v any) string {
		switch v := v.(type) {
		case []byte:
			return "[]byte(" + strconv.Quote(string(v)) + ")"
		default:
			return "string(" + strconv.Quote(v.(string)) + ")"
		}
	}
	for target, seeds := range map[string][][]any{
		"FuzzSign": {
			{[]byte(signBodyOf(t, nil))},
			{[]byte(signBodyOf(t, map[string]any{"notBefore": "0001-01-01T00:00:00Z", "notAfter": "24h", "templateData": map[string]any{"a": []any{1, "</script>"}}}))},
			{[]byte(`{"csr":"x","ott":"y","local":true,"Provisioner":"mine"}`)},
		},
		"FuzzRevoke": {
			{[]byte(`{"serial":"340282366920938463463374607431768211455","ott":"","reasonCode":1,"reason":"key lost","passive":true}`)},
			{[]byte(`{"serial":"0777","ott":"a.b.c","passive":true}`)},
			{[]byte(`{"serial":"0x0","ott":"a.b.c","reasonCode":7,"passive":false}`)},
		},
		"FuzzHeader": {{b64}, {":" + b64 + ":"}, {url.PathEscape(pemOf(leaf))}, {"-----BEGIN%20CERTIFICATE-----%0A"}},
		"FuzzPath": {
			{"/1.0/provisioners", "limit=100&cursor=00000001aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, {"/root/" + strings.Repeat("ab", 32), ""},
			{"/provisioners/kid/encrypted-key", ""}, {"/roots.pem", "%zz"}, {"/sign", ""},
		},
		"FuzzDepth": {{[]byte(`{"a":["\"{[",{}]}`)}, {[]byte(strings.Repeat("[", 33) + strings.Repeat("]", 33))}, {[]byte(`"\\\"[[["`)}},
	} {
		dir := filepath.Join("testdata", "fuzz", target)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for i, values := range seeds {
			text := "go test fuzz v1\n"
			for _, v := range values {
				text += quote(v) + "\n"
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "seed-"+string(rune('a'+i))), []byte(text), 0o644))
		}
	}
}
