package acme_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

func TestParseIdentifier(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		kind      acme.IdentifierType
		in, value string // no value: refused
	}{
		{acme.DNS, "Example.COM", "example.com"},
		{acme.DNS, "*.example.com", "*.example.com"},
		{acme.DNS, "localhost", "localhost"},
		{acme.DNS, "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{acme.DNS, "1.2.example", "1.2.example"},
		{acme.DNS, long + ".example", long + ".example"},
		{acme.DNS, "", ""}, {acme.DNS, "*", ""}, {acme.DNS, "*.", ""}, {acme.DNS, "a.*.b", ""}, {acme.DNS, "*.*.b", ""}, {acme.DNS, "a*.b", ""},
		{acme.DNS, "example.com.", ""}, {acme.DNS, ".example.com", ""}, {acme.DNS, "a..b", ""}, {acme.DNS, "-a.b", ""}, {acme.DNS, "a-.b", ""},
		{acme.DNS, "a_b.c", ""}, {acme.DNS, "a b.c", ""}, {acme.DNS, "bücher.example", ""}, {acme.DNS, "a\x00.b", ""}, {acme.DNS, "a/b", ""},
		{acme.DNS, "10.0.0.1", ""}, {acme.DNS, "::1", ""}, {acme.DNS, "example.123", ""}, {acme.DNS, long + "a.b", ""},
		{acme.DNS, strings.Repeat("a.", 127), ""},
		{acme.IP, "10.0.0.1", "10.0.0.1"}, {acme.IP, "2001:DB8::0:1", "2001:db8::1"},
		{acme.IP, "10.0.0.01", ""}, {acme.IP, "10.0.0", ""}, {acme.IP, "fe80::1%eth0", ""}, {acme.IP, "::ffff:10.0.0.1", ""}, {acme.IP, "10.0.0.0/8", ""}, {acme.IP, "", ""},
		{acme.PermanentIdentifier, "SERIAL 123", "SERIAL 123"}, {acme.PermanentIdentifier, "", ""}, {acme.PermanentIdentifier, "a\n", ""},
		{acme.HardwareModule, strings.Repeat("x", 256), ""},
		{"email", "a@b", ""}, {"", "a", ""},
	} {
		id, err := acme.ParseIdentifier(c.kind, c.in)
		if c.value == "" {
			p, ok := errors.AsType[*acme.Problem](err)
			require.True(t, ok, "%s %q: %v", c.kind, c.in, err)
			require.Contains(t, []acme.ProblemType{acme.Malformed, acme.UnsupportedIdentifier}, p.Type)
			require.Empty(t, id)
			continue
		}
		require.NoError(t, err, "%s %q", c.kind, c.in)
		require.Equal(t, acme.Identifier{Type: c.kind, Value: c.value}, id)
	}
	w, err := acme.ParseIdentifier(acme.DNS, "*.Example.com")
	require.NoError(t, err)
	require.True(t, w.Wildcard())
	require.Equal(t, "dns:example.com", w.Base().String())
	require.Equal(t, w.Base(), w.Base().Base())
}

func FuzzParseIdentifier(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzParseIdentifier")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		id, err := acme.ParseIdentifier(acme.IdentifierType(kind), value)
		if err != nil {
			return
		}
		again, err := acme.ParseIdentifier(id.Type, id.Value)
		require.NoError(t, err)
		require.Equal(t, id, again, "one spelling")
	})
}

func TestProblems(t *testing.T) {
	for _, kind := range acme.ProblemTypes() {
		p := &acme.Problem{Type: kind, Detail: "d", Cause: errors.New("secret")}
		require.GreaterOrEqual(t, p.HTTPStatus(), 400)
		b, err := json.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(b), "secret")
		var back acme.Problem
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, acme.Problem{Type: kind, Detail: "d", Status: p.HTTPStatus()}, back)
	}
	id := acme.Identifier{Type: acme.DNS, Value: "a.example"}
	p := &acme.Problem{Type: acme.Compound, Subproblems: []*acme.Problem{{Type: acme.CAA, Detail: "no", Identifier: &id}}}
	b, err := json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"urn:ietf:params:acme:error:compound","status":400,"subproblems":[
		{"type":"urn:ietf:params:acme:error:caa","detail":"no","status":403,"identifier":{"type":"dns","value":"a.example"}}]}`, string(b))
	require.Equal(t, 500, (&acme.Problem{Type: "unheard of"}).HTTPStatus())
}
