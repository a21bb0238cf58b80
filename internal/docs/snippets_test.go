package docs

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	fence  = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	marked = regexp.MustCompile("(?ms)^<!-- (\\S+_test\\.go): (Example\\w*) -->\n```go\n(.*?)^```$")
)

// A piece of Go in a page is the body of an example, which go test runs.
func TestSnippets(t *testing.T) {
	n := 0
	for name, text := range pages(t) {
		all := marked.FindAllStringSubmatch(text, -1)
		require.Len(t, fence.FindAllString(text, -1), len(all), "%s: Go that is nobody's example; put <!-- path/example_test.go: Example --> before it", name)
		for _, m := range all {
			n++
			require.Equal(t, body(t, m[1], m[2]), m[3], "%s: %s in %s", name, m[2], m[1])
		}
	}
	require.GreaterOrEqual(t, n, 2)
}

var output = regexp.MustCompile(`(?m)^// (?:Unordered output|Output):`)

// body is the text of an example that runs, one tab less deep, without its output.
func body(t *testing.T, path, name string) string {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, filepath.Join(root, filepath.FromSlash(path)), nil, parser.ParseComments)
	require.NoError(t, err)
	runs := false
	for _, e := range doc.Examples(f) {
		runs = runs || "Example"+e.Name == name && e.Output != ""
	}
	require.True(t, runs, "%s of %s prints nothing that is compared", name, path)
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != name {
			continue
		}
		text := read(t, path)[set.Position(fn.Body.Lbrace).Offset+2 : set.Position(fn.Body.Rbrace).Offset]
		text = regexp.MustCompile(`(?m)^\t`).ReplaceAllString(text, "")
		return text[:output.FindStringIndex(text)[0]]
	}
	t.Fatalf("%s is not in %s", name, path)
	return ""
}

// The quickstart stays one.
func TestQuickstartIsShort(t *testing.T) {
	lines := strings.Count(body(t, "authority/example_test.go", "Example"), "\n")
	require.LessOrEqual(t, lines, 12)
}
