package step

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/sshutil"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/template"
)

// sshPositions are the ways in which SSH templates print a value.
var sshPositions = []string{
	`{"type": "user", "keyId": "{{ .V }}", "principals": ["{{ .V }}"]}`,
	`{"type": "user", "keyId": {{ .V }}, "principals": [{{ .V }}, {{ quote .V }}]}`,
	`{"type": "{{ .V }}", "principals": "{{ .V }}", "validAfter": "{{ .V }}", "validBefore": {{ .V }}}`,
	`{"type": "user", "principals": {{ toJson .L }}, "keyId": {{ printf "\"%s\"" .V }}}`,
	`{"type": "user", "principals": [{{ range $i, $v := .L }}{{ if $i }},{{ end }}"{{ $v }}"{{ end }}]}`,
	`{"type": "user", "extensions": {"login@github.com": "{{ .V }}", "permit-pty": ""}}`,
	`{"type": "user", "extensions": {"login@github.com": {{ toJson .V }}, "id@github.com": {{ .V }}}}`,
	`{"type": "user", "criticalOptions": {"force-command": "echo {{ .V }}", "source-address": {{ join "," .L | quote }}}}`,
	`{"type": "user", {{ with .V }}"criticalOptions": {"force-command": "{{ . }}"}{{ else }}"criticalOptions": {"force-command": "a"}{{ end }}}`,
	`{{ define "e" }}{"a@b": "{{ . }}"}{{ end }}{"type": "user", "extensions": {{ template "e" .V }}}`,
	`{{ $x := toJson .V }}{"type": "user", "extensions": {"a@b": {{ $x }}}}`,
	`{{ toJson (dict "type" "user" "keyId" .V) }}`,
	sshutil.DefaultTemplate, sshutil.DefaultAdminTemplate, sshutil.DefaultIIDTemplate, sshutil.CertificateRequestTemplate,
}

func hostileSSH(v string) *template.SSHData {
	return &template.SSHData{
		Type: "user", KeyID: v, Principals: []string{v, "b"}, Extensions: map[string]string{"permit-pty": v},
		CriticalOptions: map[string]string{"force-command": v},
		CR:              template.SSHRequest{Type: "user", KeyID: v, Principals: []string{v, "b"}},
		User:            map[string]any{"V": v},
		Extra:           map[string]any{"V": v, "L": []any{v, v}},
	}
}

func compileSSH(t testing.TB) []*compiled {
	t.Helper()
	var all []*compiled
	for _, text := range sshPositions {
		c, err := compile("t", text, sshFields)
		require.NoError(t, err, text)
		all = append(all, c)
	}
	return all
}

// sameSSH requires that v, wherever a template prints it, makes the fields, options and number of
// principals that a harmless value makes, and nothing of another kind.
func sameSSH(t tester, all []*compiled, v string) {
	t.Helper()
	for i, c := range all {
		want, err := c.renderSSH(hostileSSH("harmless"))
		require.NoError(t, err, sshPositions[i])
		doc, err := c.renderSSH(hostileSSH(v))
		if err != nil || v == "" { // a refusal adds nothing; an empty value takes other branches
			continue
		}
		require.True(t, json.Valid(doc), "%s with %q gave %s", sshPositions[i], v, doc)
		require.Equal(t, paths(t, want), paths(t, doc), "%s with %q gave %s", sshPositions[i], v, doc)
		benign, err := c.sshCertificate(hostileSSH("harmless"))
		if err != nil {
			continue
		}
		got, err := c.sshCertificate(hostileSSH(v))
		if err != nil {
			continue
		}
		require.Equal(t, benign.Type, got.Type, "%s with %q", sshPositions[i], v)
		require.Equal(t, len(benign.Principals), len(got.Principals), "%s with %q", sshPositions[i], v)
		require.Equal(t, names(benign.Extensions), names(got.Extensions), "%s with %q", sshPositions[i], v)
		require.Equal(t, names(benign.CriticalOptions), names(got.CriticalOptions), "%s with %q", sshPositions[i], v)
	}
}

func names(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func TestHostileSSH(t *testing.T) {
	all := compileSSH(t)
	for _, v := range hostileNames {
		sameSSH(t, all, v)
	}
	piece := rapid.OneOf(rapid.SampledFrom(hostileNames), rapid.String(), rapid.StringMatching(`["\\{}\[\]:, \n0-9a-z]{0,20}`))
	rapid.Check(t, func(rt *rapid.T) {
		sameSSH(rt, all, strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(rt, "v"), ""))
	})
}

var hostileNames = append([]string{
	`","permit-pty":"`, `"},"criticalOptions":{"x":"`, `"],"principals":["root`, `root","root`, `{"permit-pty":""}`, `"root","root"`,
}, hostile...)

// Text inside a string arrives as it was.
func TestSSHStringsArrive(t *testing.T) {
	tpl, err := ParseSSH("t", sshPositions[0])
	require.NoError(t, err)
	for _, v := range hostileNames {
		c, err := tpl.Render(hostileSSH(v))
		require.NoError(t, err, "%q", v)
		require.Equal(t, string([]rune(v)), c.KeyID)
		require.Equal(t, []string{string([]rune(v))}, c.Principals)
	}
}

// A value cannot add a field, an option or a principal to what a template names.
func FuzzHostileSSH(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzHostileSSH/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	for _, v := range hostileNames {
		f.Add(v)
	}
	all := compileSSH(f)
	f.Fuzz(func(t *testing.T, v string) { sameSSH(t, all, v) })
}

// Whatever parses renders to a certificate or an error of this package, and a certificate has a type.
func FuzzParseSSH(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzParseSSH/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	for _, p := range sshPositions {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 500 || strings.Count(text, "range") > 2 {
			return // loops in loops take their time
		}
		tpl, err := ParseSSH("t", text)
		if err != nil {
			if _, ok := err.(*template.ParseError); !ok {
				t.Fatalf("%T", err)
			}
			return
		}
		for _, v := range hostileNames[:8] {
			c, err := tpl.Render(hostileSSH(v))
			switch err.(type) {
			case nil:
				if c.Type != "user" && c.Type != "host" {
					t.Fatalf("%+v", c)
				}
			case *template.RenderError, *template.FailError:
			default:
				t.Fatalf("%T", err)
			}
		}
	})
}
