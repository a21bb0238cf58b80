package step_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		at         string // line:column, or the line where that is all there is
		field      string
		reason     string
	}{
		{"empty", ``, "1:1", "", "ends before the document"},
		{"only space", " \n ", "2:2", "", "ends before"},
		{"list", `["a"]`, "1:1", "", "begins with a brace"},
		{"syntax", "{\n{{ if }}\n}", "2", "", "missing value for if"},
		{"unclosed action", "{\n\"subject\": {{ .X }", "2", "", "unexpected"},
		{"unclosed if", "{\n{{ if .X }}\n", "3", "", "EOF"},
		{"ends early", "{\n\"subject\": {\"commonName\": \"{{ .X }}\"", "2:37", "subject", "ends between fields"},
		{"ends in a string", `{"subject": "a`, "1:15", "subject", "inside a string"},
		{"two documents", `{"subject": "a"} {}`, "1:18", "", "after the document"},
		{"action after the document", `{"subject": "a"}{{ .X }}`, "1:20", "", "after the document"},

		{"unknown field", "{\n  \"subjekt\": {{ .X }}\n}", "2:11", "", `no field "subjekt"`},
		{"unknown field in an object", "{\"subject\": {\n\"commonname\": \"a\"}}", "2:12", "subject", `did you mean "commonName"`},
		{"unknown field in a list", `{"sans": [{"type": "dns", "vaule": {{ .X }}}]}`, "1:33", "sans[]", `"vaule"`},
		{"unknown field in both arms", `{{ if .X }}{"subject": "a"}{{ else }}{"sbject": "a"}{{ end }}`, "1:46", "", `"sbject"`},
		{"twice", `{"subject": "a", "subject": "b"}`, "1:3", "subject", "twice"},
		{"object for a value", `{"dnsNames": {"a": {{ .X }}}}`, "1:14", "dnsNames", "plain value"},
		{"serial", `{"serialNumber": {{ .X }}}`, "1:21", "serialNumber", "authority sets"},
		{"key id", `{"subjectKeyId": "{{ .X }}"}`, "1:18", "subjectKeyId", "authority sets"},
		{"authority key id", `{"subject": {{ .X }}, "authorityKeyId": "AQ=="}`, "1:41", "authorityKeyId", "authority sets"},
		{"issuer", `{"issuer": {"commonName": "a"}}`, "1:3", "issuer", "authority sets"},
		{"serial number", `{"serialNumber": 12, "subject": {{ .X }}}`, "1:18", "serialNumber", "authority sets"},
		{"key id extension", `{"extensions": [{"id": "2.5.29.14", "value": "AQ=="}]}`, "1:3", "extensions[0]", "subject key identifier"},

		{"bogus usage", "{\n\"keyUsage\": [\"bogus\"]}", "2:2", "keyUsage", "unsupported keyUsage bogus"},
		{"bogus time", `{"subject": "a", "notAfter": "tomorrow"}`, "1:19", "notAfter", "parsing time"},
		{"bogus address", `{"ipAddresses": ["10.0.0.300"]}`, "1:3", "ipAddresses", "not valid"},
		{"bogus word", `{"subject": {{ .X }}, "basicConstraints": {"isCA": True}}`, "1:52", "basicConstraints.isCA", "True"},
		{"trailing comma", "{\"subject\": {{ .X }},\n}", "2:1", "", "nothing after"},
		{"leading comma", `{,"subject": {{ .X }}}`, "1:2", "", "nothing before"},
		{"no comma", "{\"subject\": {{ .X }}\n\"keyUsage\": \"certSign\"}", "2:1", "", "comma is missing"},
		{"no comma in a list", `{"dnsNames": [{{ .X }} {{ .Y }}]}`, "1:27", "dnsNames[]", "comma is missing"},
		{"no colon", `{"subject" {{ .X }}}`, "1:15", "subject", "only the text"},
		{"single quotes", `{'subject': {{ .X }}}`, "1:2", "", `found '\''`},
		{"raw line break", "{\"subject\": \"a\nb{{ .X }}\"}", "1:15", "subject", "line break"},
		{"bad escape", `{"subject": "\x{{ .X }}"}`, "1:14", "subject", "escape"},
		{"cut escape", `{"subject": "\{{ .X }}"}`, "1:14", "subject", "escape"},
		{"cut unicode escape", `{"subject": "\u00{{ .X }}"}`, "1:14", "subject", "escape"},
		{"cut word", `{"subject": tr{{ .X }}ue}`, "1:13", "subject", "not a JSON value"},
		{"number goes on", `{"basicConstraints": {"maxPathLen": 1{{ .X }}}}`, "1:41", "basicConstraints", "only the text"},
		{"too deep", `{"dnsNames": ` + strings.Repeat("[", 40) + `{{ .X }}`, "1:45", "", "deeply"},

		{"action for a key", `{"{{ .X }}": "a"}`, "1:6", "", "only the text of a template can name a field"},
		{"action in a key", `{"sub{{ .X }}": "a"}`, "1:9", "", "only the text"},
		{"action between fields", `{"subject": "a" {{ .X }} }`, "1:20", "", "only the text"},
		{"action for a bare key", `{ {{ toJson .X }}: "a"}`, "1:6", "", "only the text"},
		{"the whole document", `{{ toJson .Insecure.CR }}`, "1:4", "", "whole document"},
		{"the whole document of a variable", `{{ $x := dict }}{{ toJson $x }}`, "1:20", "", "whole document"},
		{"computed names", `{{ toJson (dict .X 1) }}`, "1:4", "", "whole document"},

		{"document in a string", `{"sans": [{"type": "dn", "value": "{\"commonName\":\"{{ .X }}\"}"}]}`, "1:57", "sans[].value", "asn1Value"},
		{"document in a string, in disguise", `{"sans": [{"type": "dn", "value": " \u007b{{ .X }}}"}]}`, "1:46", "sans[].value", "asn1Value"},

		{"arms differ", "{\"subject\":\n{{ if .X }}\"a\"{{ else }}\"{{ end }}b\"}", "2:7", "subject", "different places"},
		{"arm without else", `{"subject": {{ if .X }}"a"{{ end }}}`, "1:19", "subject", "different places"},
		{"arms name other fields", `{ {{ if .X }}"subject":{{ else }}"sans":{{ end }} {{ .X }} }`, "1:9", "", "different places"},
		{"round does not end where it began", `{"subject": {{ range .X }}"a"{{ end }}}`, "1:22", "subject", "round of the loop"},
		{"break inside", `{"dnsNames": [{{ range .X }}"{{ break }}"{{ end }}]}`, "1:33", "dnsNames[]", "leaves the loop"},
		{"no such template", `{"subject": {{ template "a" . }}}`, "1:25", "subject", `no template "a"`},
		{"recursion", `{{ define "a" }}[{{ template "a" . }}]{{ end }}{"dnsNames": {{ template "a" . }}}`, "1:30", "dnsNames[]", "calls itself"},
		{"defined for another place", `{{ define "a" }}"{{ .X }}"{{ end }}{"subject": "{{ template "a" . }}"}`, "1:21", "", "only the text"},

		{"unknown function", "{\"subject\":\n {{ nope .X }}}", "2:5", "", `"nope" does not exist`},
		{"host", `{"subject": "{{ env "HOME" }}"}`, "1:17", "", `"env" reads the host`},
		{"network", `{"subject": "{{ .X | getHostByName }}"}`, "1:22", "", `"getHostByName" reads the host`},
		{"keys", `{"subject": "{{ if false }}{{ (genCA "a" 1).Cert }}{{ end }}"}`, "1:32", "", `"genCA" makes keys`},
		{"in a condition", `{"subject": "{{ if (and .X (env "A")) }}{{ end }}"}`, "1:29", "", `"env"`},
		{"in a template nobody calls", `{{ define "a" }}{{ range env "A" }}{{ end }}{{ end }}{"subject": "a"}`, "1:26", "", `"env"`},
		{"in an argument", `{"subject": {{ template "a" (expandenv "a") }}}`, "1:30", "", `"expandenv"`},
		{"escapers", `{"subject": {{ .X | _json 0 }}}`, "1:21", "", `"_json" does not exist`},
		{"call", `{"subject": {{ call .X }}}`, "1:16", "", `"call" calls values`},
		{"too long", strings.Repeat(" ", 65<<10) + `{}`, "", "", "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := step.Parse("leaf.tpl", c.text)
			e, ok := errors.AsType[*template.ParseError](err)
			require.True(t, ok, "%v", err)
			at := fmt.Sprintf("%d:%d", e.Line, e.Column)
			if e.Column == 0 {
				at = strings.TrimPrefix(fmt.Sprint(e.Line), "0")
			}
			require.Contains(t, e.Reason, c.reason)
			if c.name != "too deep" {
				require.Equal(t, c.field, e.Field)
			}
			require.Equal(t, c.at, at, "%v", err)
			require.True(t, strings.HasPrefix(err.Error(), "template: leaf.tpl:"), "%v", err)
		})
	}
}

func TestRenderErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		field      string
		reason     string
	}{
		{"usage", "{\n\"keyUsage\": [{{ .X }}]}", 2, "keyUsage", "unsupported keyUsage x"},
		{"unknown field in a value", "{\n\"subject\": {{ toJson .M }}}", 2, "subject", `no field "isCA"`},
		{"field of another case in a value", "{\n\"basicConstraints\": {{ toJson .CA }}}", 2, "basicConstraints", `did you mean "isCA"`},
		{"object for a value", "{\n\"dnsNames\": [{{ toJson .M }}]}", 2, "dnsNames[0]", "plain value"},
		{"missing in a string", "{\"subject\":\n {\"commonName\": \"{{ .Token.sub }}\"}}", 2, "subject.commonName", "missing"},
		{"twice", "{\n{{ range .L }}\"subject\": \"a\",{{ end }}\n\"keyUsage\": null}", 2, "subject", "twice"},
		{"comma", "{\n\"subject\": \"a\"{{ if .X }},{{ end }}\n}", 0, "", "not JSON"},
		{"comma in a list", "{\n\"dnsNames\": [{{ range .L }}\"a\",{{ end }}]}", 2, "dnsNames[2]", "not JSON"},
		{"no JSON", "{\n\"subject\": {{ toJson .Func }}}", 2, "subject", "no JSON"},
		{"unprintable", "{\n\"subject\": \"{{ .Func }}\"}", 2, "subject", "no text"},
		{"JSON in a string", "{\n\"subject\": {{ .Doc }}}", 2, "subject", "JSON document inside a string"},
		{"address", "{\n\"sans\": [{\"type\":\"ip\",\"value\":\"10.0.0.1\"},\n{\"type\":\"ip\",\"value\":\"{{ .X }}\"}]}", 2, "sans[1].value", "not an IP address"},
		{"relative URI", "{\n\"uris\": [\"{{ .X }}\"]}", 2, "uris[0]", "not a URI"},
		{"extension", "{\n\"extensions\": [{\"id\":\"{{ .OID }}\",\"value\":\"AQ==\"}]}", 2, "extensions[0]", "mark of the provisioner"},
		{"extension and field", "{\"basicConstraints\":{\"isCA\":false},\n\"extensions\": [{\"id\":\"2.5.29.19\",\"value\":{{ .B64 }}}]}", 2, "extensions[0]", "twice"},
		{"names twice", "{\"dnsNames\":[{{ .X }}],\n\"extensions\": [{\"id\":\"2.5.29.17\",\"value\":\"AQ==\"}]}", 2, "extensions[0]", "twice"},
		{"extension without id", "{\"extensions\": [{\"value\":\"{{ .B64 }}\"}]}", 1, "extensions[0]", "without an id"},
		{"raw subject", "{\n\"rawSubject\": \"{{ .B64 }}\"}", 2, "rawSubject", "not the DER"},
		{"two subjects", "{\"subject\": \"{{ .X }}\",\n\"rawSubject\": \"MAA=\"}", 2, "rawSubject", "differs"},
		{"repeat", "{\n\"subject\": \"{{ repeat 1000000000 .X }}\"}", 2, "subject", "longer than"},
		{"repeat too often", "{\n\"subject\": \"{{ repeat 60000 .X }}{{ repeat 60000 .X }}\"}", 0, "", "longer than"},
		{"indent", "{\n\"subject\": \"{{ indent 100000000 .X }}\"}", 2, "subject", "longer than"},
		{"nindent", "{\n\"subject\": \"{{ nindent 1000 .Lines }}\"}", 2, "subject", "longer than"},
		{"until", "{\n\"subject\": \"{{ until 1000000000 }}\"}", 2, "subject", "numbers"},
		{"untilStep", "{\n\"subject\": \"{{ untilStep 0 9223372036854775807 9223372036854775806 }}\"}", 2, "subject", "too large"},
		{"seq", "{\n\"subject\": \"{{ seq 1 100000000 }}\"}", 2, "subject", "numbers"},
		{"random", "{\n\"subject\": \"{{ randAlpha 100000000 }}\"}", 2, "subject", "longer than"},
		{"random bytes", "{\n\"subject\": \"{{ randBytes 100000000 }}\"}", 2, "subject", "longer than"},
		{"loop over a number", "{\n{{ range $i := .N }}{{ end }}\"subject\": \"a\"}", 2, "", "a loop of 1000000000 rounds"},
		{"loop over a function", "{\n{{ range .Func }}{{ end }}\"subject\": \"a\"}", 2, "", "no loop over a func"},
		{"panic in a function", "{\n\"subject\": \"{{ div 1 0 }}\"}", 2, "subject", "divide by zero"},
		{"panic in another", "{\n\"subject\": \"{{ substr 5 2 .X }}\"}", 2, "subject", "substr"},
		{"no such field", "{\n\"subject\": \"{{ .Subject.Nope }}\"}", 2, "subject", "Nope"},
		{"second action of a line", "{\n\"subject\": {{ .X }}, \"dnsNames\": \"{{ div 1 0 }}\"}", 2, "dnsNames", "divide by zero"},
		{"condition", "{\n\"subject\": {{ .X }}, \"dnsNames\": \"{{ if div 1 0 }}{{ end }}\"}", 2, "", "divide by zero"},
		{"nesting in a value", "{\"subject\": {\"extraNames\": [{\"type\": \"1.2.3\",\n\"value\": {{ toJson .Deep }}}]}}", 2, "", "deeply"},
		{"signature algorithm", "{\n\"signatureAlgorithm\": {{ .X }}}", 2, "signatureAlgorithm", "unsupported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tpl, err := step.Parse("leaf.tpl", c.text)
			require.NoError(t, err)
			deep := any("a")
			for range 50 {
				deep = []any{deep}
			}
			_, err = tpl.Render(&template.Data{Extra: map[string]any{
				"X": "x", "M": map[string]any{"isCA": true}, "L": []any{1, 2}, "Func": func(func(int) bool) {}, "N": 1000000000,
				"CA": map[string]any{"isca": true}, "Doc": `{"isCA":true}`, "OID": "1.3.6.1.4.1.37476.9000.64.1", "B64": "AQID",
				"Lines": strings.Repeat("\n", 1000), "Deep": deep,
			}})
			e, ok := errors.AsType[*template.RenderError](err)
			require.True(t, ok, "%v", err)
			require.ErrorContains(t, e, c.reason)
			if c.name != "nesting in a value" {
				require.Equal(t, c.field, e.Field)
			}
			require.Equal(t, c.line, e.Line, "%v", err)
		})
	}
}

// What looks odd and works in step works here.
func TestOddities(t *testing.T) {
	for text, cn := range map[string]string{
		`{"subject": null, "issuer": null, "serialNumber": null, "subjectKeyId": "", "dnsNames": {{ toJson .Nope }}}`: "",
		`{"subject": {"commonName": {{ .Nope.Nope | toJson }}}}`:                                                      "",
		`{{/* first */}}{"subject": {{ if .X }}{{ .X | toJson }}{{ else }}{{ fail "no" }}{{ end }}}`:                  "x",
		`{"subject": "{{ "{{" }}"}`: "{{",
		`{"subject": "{{ range .L }}{{ . }}{{ if eq . "b" }}{{ break }}{{ end }}{{ end }}"}`:                                                         "ab",
		`{"subject": "{{ range .L }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ . }}{{ end }}"}`:                                                      "ac",
		`{"subject": "{{ range $i, $v := .L }}{{ $i }}{{ $v }}{{ else }}none{{ end }}"}`:                                                             "0a1b2c",
		`{"subject": "{{ range .Nope }}a{{ else }}none{{ end }}"}`:                                                                                   "none",
		`{"subject": "{{ range 3 }}{{ . }}{{ end }}"}`:                                                                                               "012",
		`{"subject": "{{ range until 3 }}{{ . }}{{ end }}{{ seq 3 1 }}{{ untilStep 4 0 -2 }}{{ seq 0 2 4 }}"}`:                                       "0123 2 1[4 2]0 2 4",
		`{{ $s := .Subject | toPrettyJson }}{"subject": {{ $s | nindent 8 }}}`:                                                                       "cn",
		`{{ $s := "a" }}{{ if .X }}{{ $s = "b" }}{{ end }}{"subject": {{ $s | quote }}}`:                                                             "b",
		`{"subject": {{ block "s" . }}{"commonName": {{ toJson .X }}}{{ end }}}`:                                                                     "x",
		`{{ define "s" }}{{ .X }}{{ end }}{"subject": {"commonName": "{{ template "s" . }}", "locality": {{ template "s" . }}}}`:                     "x",
		`{ {{ range $i, $v := .L }}{{ if not $i }}"subject": {{ $v | quote }}{{ end }}{{ end }} }`:                                                   "a",
		`{ {{ if .X }}"subject": "a",{{ end }} "keyUsage": [] {{ with .Nope }}, "sans": {{ toJson . }}{{ end }} }`:                                   "a",
		`{"sans": [{"type": "dn", "value": "{\"commonName\":\"a\"}"}, {"type": "dn", "value": "{{ toJson .Subject }}"}], "subject": "{ {{ .X }} }"}`: "{ x }",
		`{"subject": {{ ternary "a" "b" true | squote }}}`:                                                                                           "'a'",
		`{"subject": "{{ .Bytes }}{{ .Pointer }}{{ .Time }}"}`:                                                                                       "[1 2]pfrom a Stringer",
		`{"subject": {{ print "\"" .X "\"" }}}`:                                                                                                      "x",
		`{"subject": {"commonName": "\u0061\"\\{{ .X }}"}}`:                                                                                          `a"\x`,
	} {
		p := "p"
		tpl, err := step.Parse("t", text)
		require.NoError(t, err, text)
		c, err := tpl.Render(&template.Data{CommonName: "cn", Extra: map[string]any{
			"X": "x", "L": []string{"a", "b", "c"}, "Bytes": []byte{1, 2}, "Pointer": &p, "Time": stringer{},
		}})
		require.NoError(t, err, text)
		require.Equal(t, cn, c.Subject.CommonName, text)
	}
}

type stringer struct{}

func (stringer) String() string { return "from a Stringer" }
