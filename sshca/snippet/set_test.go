package snippet_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca/snippet"
)

func key(t testing.TB, seed byte) ssh.PublicKey {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)))
	require.NoError(t, err)
	return s.PublicKey()
}

func line(k ssh.PublicKey) string {
	return k.Type() + " " + base64.StdEncoding.EncodeToString(k.Marshal())
}

func render(t testing.TB, s *snippet.Set, kind string, keys snippet.Keys, data map[string]string) map[string]snippet.Output {
	t.Helper()
	outputs, err := s.Render(kind, keys, data)
	require.NoError(t, err)
	byName := map[string]snippet.Output{}
	for _, o := range outputs {
		byName[o.Name] = o
	}
	require.Len(t, byName, len(outputs))
	return byName
}

func one(text string, requires ...string) []snippet.Template {
	return []snippet.Template{{Name: "a.tpl", Type: snippet.File, Path: "a", Text: text, Requires: requires}}
}

// asStepsDo are constructs of the templates that step has written into people's folders.
const asStepsDo = `{{- if or .User.GOOS "none" | eq "windows" }}dir "{{ .User.StepPath | replace "\\" "/" | trimPrefix "C:" }}"
{{- else }}dir "{{ .User.StepPath }}"{{- end }}
{{- if .User.Context }} {{ .User.Context }}{{ end }}
@cert-authority * {{.Step.SSH.HostKey.Type}} {{.Step.SSH.HostKey.Marshal | toString | b64enc}}
{{- range .Step.SSH.HostFederatedKeys}}
@cert-authority * {{.Type}} {{.Marshal | toString | b64enc}}
{{- end }}
`

func TestCustom(t *testing.T) {
	set, err := snippet.New(one(asStepsDo), nil)
	require.NoError(t, err)
	keys := snippet.Keys{Host: []ssh.PublicKey{key(t, 1), key(t, 2)}, FederatedHost: []ssh.PublicKey{key(t, 1), key(t, 3), key(t, 2)}}
	rest := fmt.Sprintf("\n@cert-authority * %s\n@cert-authority * %s\n@cert-authority * %s\n", line(key(t, 1)), line(key(t, 2)), line(key(t, 3)))
	for _, c := range []struct {
		data map[string]string
		want string
	}{
		{map[string]string{"GOOS": "linux", "StepPath": "/home/a"}, `dir "/home/a"`},
		{map[string]string{"GOOS": "windows", "StepPath": `C:\Users\a`, "Context": "x"}, `dir "/Users/a" x`},
		{map[string]string{"StepPath": "/home/a", "GOOS": ""}, `dir "/home/a"`},
		{nil, `dir ""`},
	} {
		o := render(t, set, "user", keys, c.data)["a.tpl"]
		require.Equal(t, c.want+rest, string(o.Content))
		require.Equal(t, "#", o.Comment)
	}
	_, err = set.Render("user", snippet.Keys{}, nil)
	require.ErrorContains(t, err, `rendering "a.tpl"`)
	outputs, err := set.Render("host", keys, nil)
	require.NoError(t, err)
	require.Empty(t, outputs)
	require.NotNil(t, outputs)
}

func TestDirectory(t *testing.T) {
	set, err := snippet.New(nil, []snippet.Template{{Name: "d", Type: snippet.Directory, Path: "d"}})
	require.NoError(t, err)
	b, err := json.Marshal(render(t, set, "host", snippet.Keys{}, nil)["d"])
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"d","type":"directory","path":"d","comment":"#","content":null}`, string(b))
}

func TestNewErrors(t *testing.T) {
	good := one("text")[0]
	for _, c := range []struct {
		name   string
		change func(*snippet.Template)
		reason string
	}{
		{"name", func(s *snippet.Template) { s.Name = "" }, "no name"},
		{"path", func(s *snippet.Template) { s.Path = "" }, "no path"},
		{"line in a path", func(s *snippet.Template) { s.Path = "a\nb" }, "control character"},
		{"type", func(s *snippet.Template) { s.Type = "Snippet" }, `"Snippet" is no type`},
		{"no text", func(s *snippet.Template) { s.Text = "" }, "no text"},
		{"text of a directory", func(s *snippet.Template) { s.Type = snippet.Directory }, "directory with a text"},
		{"requires", func(s *snippet.Template) { s.Requires = []string{""} }, "without a name"},
		{"long", func(s *snippet.Template) { s.Text = strings.Repeat("a", 65<<10) }, "longer than"},
		{"syntax", func(s *snippet.Template) { s.Text = "{{ if }}" }, "missing value for if"},
		{"function", func(s *snippet.Template) { s.Text = "\n{{ env \"HOME\" }}" }, `line 2: the function "env" does not exist; those that do are b64dec, b64enc`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			_, err := snippet.New([]snippet.Template{good, bad}, []snippet.Template{bad})
			require.ErrorContains(t, err, c.reason)
			require.ErrorContains(t, err, "user template 2")
			require.ErrorContains(t, err, "host template 1")
		})
	}
}

func TestRequires(t *testing.T) {
	set, err := snippet.New(one("{{ .User.A }}", "A", "B"), nil)
	require.NoError(t, err)
	for _, c := range []struct {
		data    map[string]string
		missing string
	}{
		{nil, "A"}, {map[string]string{"A": "a"}, "B"}, {map[string]string{"A": "", "B": "b"}, "A"},
	} {
		_, err := set.Render("user", snippet.Keys{}, c.data)
		e, ok := errors.AsType[*snippet.MissingError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, c.missing, e.Variable)
		require.ErrorContains(t, err, c.missing)
	}
	_, err = set.Render("user", snippet.Keys{}, map[string]string{"A": "a", "B": "b"})
	require.NoError(t, err)
	_, err = set.Render("root", snippet.Keys{}, nil)
	require.ErrorIs(t, err, snippet.ErrKind)
}

// Nothing that a client sends can begin a line, or make much of it.
func TestHostileData(t *testing.T) {
	set, err := snippet.New(one("{{ .User.A }}"), nil)
	require.NoError(t, err)
	many := map[string]string{}
	for i := range 100 {
		many[fmt.Sprint(i)] = "a"
	}
	_, err = set.Render("user", snippet.Keys{}, many)
	require.NoError(t, err)
	many["A"] = "a"
	for name, data := range map[string]map[string]string{
		"many":           many,
		"line":           {"A": "a\nProxyCommand evil"},
		"return":         {"A": "a\rb"},
		"NUL":            {"A": "a\x00b"},
		"tab":            {"A": "a\tb"},
		"next line":      {"A": "a\u0085b"},
		"line separator": {"A": "a\u2028b"},
		"other bytes":    {"A": "a\xff"},
		"long":           {"A": strings.Repeat("a", 4<<10+1)},
		"in a name":      {"A\n": "a"},
		"long name":      {strings.Repeat("A", 129): "a"},
		"not used":       {"B": "a\nb"},
	} {
		for kind, s := range map[string]*snippet.Set{"user": set, "host": snippet.Builtin()} {
			_, err := s.Render(kind, snippet.Keys{}, data)
			_, ok := errors.AsType[*snippet.DataError](err)
			require.True(t, ok, "%s: %v", name, err)
			require.NotContains(t, err.Error(), "\n")
		}
	}
	o := render(t, set, "user", snippet.Keys{}, map[string]string{"A": strings.Repeat("é", 2<<10)})["a.tpl"]
	require.Len(t, o.Content, 4<<10)
}

func TestWith(t *testing.T) {
	set, err := snippet.New(one("{{ .Bastion }}:{{ with .Ports }}{{ .ssh }}{{ end }}"), nil)
	require.NoError(t, err)
	_, err = set.Render("user", snippet.Keys{}, nil)
	require.ErrorContains(t, err, "does not exist")
	more, err := set.With(map[string]any{"Bastion": "b.example.com", "Ports": map[string]any{"ssh": 22}})
	require.NoError(t, err)
	require.Equal(t, "b.example.com:22", string(render(t, more, "user", snippet.Keys{}, nil)["a.tpl"].Content))
	for _, name := range []string{"Step", "User"} {
		_, err := set.With(map[string]any{name: 1})
		require.ErrorContains(t, err, name)
	}
}

func TestFunctions(t *testing.T) {
	for text, want := range map[string]string{
		`{{ "a" | b64enc | b64dec }}{{ .User.No | default "b" }}{{ coalesce "" .User.No "c" }}`: "abc",
		`{{ contains "b" "abc" }} {{ hasPrefix "a" "abc" }} {{ hasSuffix "a" "abc" }}`:          "true true false",
		`{{ empty .User.No }} {{ " A " | trim | lower }}{{ "b" | upper }}`:                      "true aB",
		`{{ "a.b.c" | trimSuffix ".c" | replace "." "/" }} {{ toString 7 }}`:                    "a/b 7",
	} {
		set, err := snippet.New(one(text), nil)
		require.NoError(t, err, text)
		require.Equal(t, want, string(render(t, set, "user", snippet.Keys{}, nil)["a.tpl"].Content))
	}
}

func TestLongResult(t *testing.T) {
	set, err := snippet.New(one(strings.Repeat("{{ .User.A }}", 20)), nil)
	require.NoError(t, err)
	_, err = set.Render("user", snippet.Keys{}, map[string]string{"A": strings.Repeat("a", 4<<10)})
	require.ErrorContains(t, err, "longer than")
}
