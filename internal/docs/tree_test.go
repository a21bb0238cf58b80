package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// packages lists the module's folders that have Go in them, from the root, without the root's own, with
// the test and fuzz functions of each.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root {
			_, module := os.Stat(filepath.Join(p, "go.mod"))
			if name := d.Name(); module == nil || name == "testdata" || strings.ContainsAny(name[:1], "._") {
				return filepath.SkipDir
			}
		}
		rel, err := filepath.Rel(root, p)
		if dir := path.Dir(filepath.ToSlash(rel)); err == nil && dir != "." && strings.HasSuffix(p, ".go") {
			out[dir] = append(out[dir], tests(t, p)...)
		}
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(out), 20)
	return out
}

func tests(t *testing.T, file string) (names []string) {
	if !strings.HasSuffix(file, "_test.go") {
		return nil
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && testName.MatchString(fn.Name.Name) {
			names = append(names, fn.Name.Name)
		}
	}
	return names
}

var testName = regexp.MustCompile(`^(Test|Fuzz)[A-Z]`)

// The table of packages lists all of them, and no others.
func TestPackages(t *testing.T) {
	var want []string
	for dir := range packages(t) {
		if dir != "internal" && !strings.HasPrefix(dir, "internal/") {
			want = append(want, "`"+dir+"`")
		}
	}
	require.ElementsMatch(t, want, firstColumn(t, section(t, read(t, "README.md"), "Packages")))
}

var named = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`")

// A page that says which test holds something names one that exists.
func TestNamedTests(t *testing.T) {
	there := packages(t)
	count := map[string]int{}
	for name, text := range pages(t) {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			count[name]++
			require.True(t, slices.Contains(there[m[1]], m[2]), "%s: there is no %s in %s", name, m[2], m[1])
		}
	}
	require.Positive(t, count["README.md"], "clients seen to work are named with the tests that saw them")
	require.Positive(t, count["SECURITY.md"], "rules are named with the tests that hold them")
}

// Each client in the table was seen by a test, in the version that the tests ask for.
func TestClients(t *testing.T) {
	text := section(t, read(t, "README.md"), "Clients seen to work")
	var rows []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| -") {
			rows = append(rows, line)
		}
	}
	for _, r := range rows[1:] {
		require.Regexp(t, "`internal/interop\\.Test", r, "nothing that no test has done")
	}
	for client, source := range map[string]string{
		"| `step` CLI |":          read(t, "internal/interop/programs_test.go"),
		"| step-ca's Go client |": read(t, "internal/interop/testdata/stepclient/go.mod"),
		"| step-ca, the server |": read(t, "internal/interop/programs_test.go"),
	} {
		i := slices.IndexFunc(rows, func(r string) bool { return strings.HasPrefix(r, client) })
		require.GreaterOrEqual(t, i, 0, client)
		version := regexp.MustCompile(`\| ([0-9.]+) \|`).FindStringSubmatch(rows[i])
		require.Len(t, version, 2, client)
		require.Contains(t, source, "v"+version[1], client)
	}
}
