package step

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crypto/x509"
	"crypto/x509/pkix"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/template"
)

// hostile are texts that have broken out of templates, or could.
var hostile = []string{
	`"`, `\`, `\"`, `","isCA":true,"x":"`, `"},"basicConstraints":{"isCA":true},"x":{"y":"`, "a\nb", "a\r\tb\x00\x1f",
	"\xff\xfe", "\u2028\u2029", `{"commonName":"evil"}`, `["a","b"]`, `"quoted"`, `null`, `true`, `12e3`, `-1`, `1 2`, `'`,
	`</script><!--`, `{{ .Token }}`, `{{"}}`, `]}`, `/*`, `\u0022,`, "\\u0022", `\ud800`, "é", `keyUsage": ["certSign"], "x`,
	strings.Repeat(`"`, 100), strings.Repeat("a", 2000), " ", "", "	\"a\" ", "\u00a0", "\ufeff", "\x7f",
}

// positions are the ways in which templates print a value.
var positions = []string{
	`{"subject": {"commonName": "{{ .V }}"}}`,
	`{"subject": {"commonName": "a {{ .V }} b {{ .V | upper }}"}}`,
	`{"subject": {"commonName": {{ .V }}}}`,
	`{"subject": {"commonName": {{ quote .V }}}}`,
	`{"subject": {"commonName": {{ squote .V }}}}`,
	`{"subject": {"commonName": {{ printf "%q" .V }}}}`,
	`{"subject": {"commonName": {{ printf "\"%s\"" .V }}}}`,
	`{"subject": {"commonName": {{ print "\"" .V "\"" }}}}`,
	`{"subject": {"commonName": {{ cat "\"" .V "\"" }}}}`,
	`{"subject": {"commonName": {{ toJson .V }}}}`,
	`{"subject": {"commonName": {{ toRawJson .V | trim | indent 2 }}}}`,
	`{"subject": {"commonName": {{ html .V }}}}`,
	`{"subject": {"commonName": "{{ js .V }}"}}`,
	`{"subject": {"commonName": "{{ toJson .V }}"}}`,
	`{"subject": {"commonName": "{{ quote .V }}"}}`,
	`{"subject": {"commonName": {{ .V | replace "a" "\"" }}}}`,
	`{"subject": {"organization": [{{ range $i, $v := .L }}{{ if $i }},{{ end }}{{ $v }}{{ end }}]}}`,
	`{"subject": {"organization": [{{ join "\",\"" .L | printf "\"%s\"" }}]}}`,
	`{"subject": {"organization": ["{{ join "\",\"" .L }}"]}}`,
	`{"subject": {"organization": {{ toJson .L }}}}`,
	`{"subject": {{ .V }}}`,
	`{"subject": "{{ .V }}", "sans": [{"type": "dns", "value": "{{ .V }}"}, {"type": "{{ .V }}", "value": "b"}]}`,
	`{"subject": {{ with $x := .V }}{{ $x }}{{ else }}"none"{{ end }}}`,
	`{{ define "cn" }}{"commonName": "{{ . }}"}{{ end }}{"subject": {{ template "cn" .V }}}`,
	`{{ $x := toJson .V }}{"subject": {"commonName": {{ $x }}}}`,
	`{{ $x := toJson .V }}{{ $x = .V }}{"subject": {{ $x }}}`,
	`{{ toJson (dict "subject" .V) }}`,
	`{"dnsNames": "{{ .V }}", "keyUsage": "{{ .V }}", "basicConstraints": {"isCA": {{ .V }}, "maxPathLen": {{ .V }}}}`,
	`{"extensions": [{"id": "1.2.3", "critical": {{ .V }}, "value": "{{ b64enc .V }}"}]}`,
	`{"subject": {"serialNumber": "{{ .V }}{{ .V }}\\{{ .V }}\u0041{{ .V }}"}}`,
	"{\"subject\": {{ `\"` }}{{ .V }}{{ `\"` }}}",
}

// tester is a *testing.T, *testing.F or *rapid.T.
type tester interface {
	require.TestingT
	Helper()
}

// paths are all places in a document, without its values.
func paths(t tester, doc []byte) []string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(doc, &v), "%s", doc)
	var found []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		found = append(found, path)
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(path+"."+k, e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), e)
			}
		}
	}
	walk("", v)
	slices.Sort(found)
	return found
}

func hostileData(v string) *template.Data {
	return &template.Data{Extra: map[string]any{"V": v, "L": []any{v, v}}}
}

func compileAll(t testing.TB) []*compiled {
	t.Helper()
	var all []*compiled
	for _, text := range positions {
		c, err := compile("t", text, certificateFields)
		require.NoError(t, err, text)
		all = append(all, c)
	}
	return all
}

// sameShape requires that v, wherever a template prints it, makes the fields that a harmless value makes.
func sameShape(t tester, all []*compiled, v string) {
	t.Helper()
	for i, c := range all {
		want, err := c.render(hostileData("harmless"))
		require.NoError(t, err, positions[i])
		got, err := c.render(hostileData(v))
		if err != nil {
			continue // a refusal adds nothing
		}
		require.True(t, json.Valid(got), "%s with %q gave %s", positions[i], v, got)
		require.Equal(t, paths(t, want), paths(t, got), "%s with %q gave %s", positions[i], v, got)
	}
}

func TestHostileValues(t *testing.T) {
	all := compileAll(t)
	for _, v := range hostile {
		sameShape(t, all, v)
	}
}

func TestHostileProperty(t *testing.T) {
	all := compileAll(t)
	piece := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.StringMatching(`["\\{}\[\]:, \n0-9a-z]{0,20}`))
	rapid.Check(t, func(rt *rapid.T) {
		sameShape(rt, all, strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(rt, "v"), ""))
	})
}

// Text inside a string arrives as it was.
func TestStringsArrive(t *testing.T) {
	tpl, err := Parse("t", positions[0])
	require.NoError(t, err)
	for _, v := range hostile {
		c, err := tpl.Render(hostileData(v))
		require.NoError(t, err, "%q", v)
		require.Equal(t, string([]rune(v)), c.Subject.CommonName)
	}
}

// Hostile CSRs, tokens and user data do not add fields to the certificate of a real template.
func FuzzHostileValue(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzHostileValue/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	for _, v := range hostile {
		f.Add(v)
	}
	all := compileAll(f)
	var files []*compiled
	for _, name := range []string{"default", "iid", "admin", "user", "names"} {
		text, err := os.ReadFile("testdata/" + name + ".tpl")
		require.NoError(f, err)
		c, err := compile(name, string(text), certificateFields)
		require.NoError(f, err)
		files = append(files, c)
	}
	request := func(v string) *template.Data {
		return &template.Data{
			CommonName: v, SANs: []template.SAN{{Type: "dns", Value: v}, {Type: "email", Value: v}},
			Token: map[string]any{"email": v, "given_name": v, "udid": v, "exp": 1900000000, "groups": []any{v, v}},
			User:  map[string]any{"site": v, "organization": v, "ocsp": v},
			CR: &x509.CertificateRequest{
				Subject: pkix.Name{CommonName: v, Organization: []string{v}}, DNSNames: []string{v}, EmailAddresses: []string{v},
			},
		}
	}
	f.Fuzz(func(t *testing.T, v string) {
		sameShape(t, all, v)
		for _, c := range files {
			want, err := c.render(request("harmless"))
			require.NoError(t, err, c.name)
			got, err := c.render(request(v))
			if err != nil || v == "" { // an empty value takes other branches
				continue
			}
			require.Equal(t, paths(t, want), paths(t, got), "%s with %q gave %s", c.name, v, got)
		}
	})
}

// Whatever parses has every action in a place for values: it renders valid JSON or an error.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzParse/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	for _, p := range positions {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 500 || strings.Contains(text, "range") && strings.Count(text, "range") > 2 {
			return // loops in loops take their time
		}
		c, err := compile("t", text, certificateFields)
		if err != nil {
			if _, ok := err.(*template.ParseError); !ok {
				t.Fatalf("%T", err)
			}
			return
		}
		benign, err := c.render(hostileData("harmless"))
		if err != nil || checkDocument(benign, certificateFields) != nil {
			return
		}
		for _, v := range hostile[:8] {
			doc, err := c.render(hostileData(v))
			if err != nil || checkDocument(doc, certificateFields) != nil {
				continue
			}
			if _, fault := decodeCertificate(doc); fault != nil {
				continue
			}
			if !strings.Contains(text, "if") && !strings.Contains(text, "with") && !strings.Contains(text, "range") &&
				!strings.Contains(text, "fromJson") {
				require.Equal(t, paths(t, benign), paths(t, doc), "%s with %q gave %s", text, v, doc)
			}
		}
	})
}
