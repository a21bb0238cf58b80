package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/chancery-ca/chancery"

// source is a Go file of the module, testdata and other modules apart.
type source struct {
	path string // slash-separated, from the module's root
	dir  string // "" for the root
	test bool
	set  *token.FileSet
	ast  *ast.File
}

// tree parses the whole module.
func tree(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	require.FileExists(t, filepath.Join(root, "go.mod"), "this package has moved")
	var out []source
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root {
			_, err := os.Stat(filepath.Join(p, "go.mod"))
			if name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_' || err == nil {
				return filepath.SkipDir
			}
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || name[0] == '.' || name[0] == '_' {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		f, err := parser.ParseFile(set, p, nil, 0)
		if err != nil {
			return err
		}
		dir := path.Dir(rel)
		if dir == "." {
			dir = ""
		}
		out = append(out, source{path: rel, dir: dir, test: strings.HasSuffix(name, "_test.go"), set: set, ast: f})
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(out), 50, "the module's source was not found")
	return out
}

// imports are the paths a file imports.
func (s source) imports() []string {
	var out []string
	for _, i := range s.ast.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// ours cuts the module's path off an import.
func ours(path string) (dir string, ok bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// standard reports whether a path is of the standard library.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// matches reports whether a path is one of a list, where "..." stands for any path, and "x/..." for x
// and whatever is below it.
func matches(list []string, path string) bool {
	for _, p := range list {
		below, deep := strings.CutSuffix(p, "/...")
		if p == "..." || p == path || deep && (path == below || strings.HasPrefix(path, below+"/")) {
			return true
		}
	}
	return false
}
