package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryPackageIsInTheTable(t *testing.T) {
	found := map[string]bool{}
	for _, s := range tree(t) {
		r, ok := rooms[s.dir]
		if !ok && !found[s.dir] {
			t.Errorf("package %q is not in the table (internal/archtest/rooms_test.go): say what it may import, and whether it belongs into the design's table", s.dir)
		}
		if ok && r.kind == checks && !s.test && filepath.Base(s.path) != "doc.go" {
			t.Errorf("%s: this package has tests and a doc.go, nothing else", s.path)
		}
		if ok && r.kind == program != (s.ast.Name.Name == "main") && !s.test {
			t.Errorf("%s: package %s: programs live in examples and internal/bench", s.path, s.ast.Name.Name)
		}
		found[s.dir] = true
	}
	for dir := range rooms {
		if !found[dir] {
			t.Errorf("package %q is in the table and does not exist", dir)
		}
	}
}

func TestImports(t *testing.T) {
	for _, s := range tree(t) {
		r, ok := rooms[s.dir]
		if s.test || !ok {
			continue
		}
		for _, p := range s.imports() {
			switch dir, mine := ours(p); {
			case mine && isKit(dir) && r.kind != kit && r.kind != rig && r.kind != program:
				t.Errorf("%s imports %s, which is for tests", s.path, dir)
			case mine && !matches(r.ours, dir):
				t.Errorf("%s imports %s: an edge that is not in the table (%s may import %v)", s.path, dir, s.dir, r.ours)
			case mine:
			case strings.HasPrefix(p, "testing") && r.kind != kit && r.kind != rig:
				t.Errorf("%s imports %s outside a test", s.path, p)
			case !standard(p) && !matches(r.others, p):
				t.Errorf("%s imports %s: a third-party package that is not in the table (%s may import %v)", s.path, p, s.dir, r.others)
			case isCore(s.dir) && isForbidden(p):
				t.Errorf("%s imports %s: the core links no SQL driver, cloud SDK, router or telemetry", s.path, p)
			}
		}
	}
}

// Tests may use whatever they need of ours, except what is built on top of everything: an import from
// there would turn a package's test into one of the whole house.
func TestImportsOfTests(t *testing.T) {
	for _, s := range tree(t) {
		if !s.test {
			continue
		}
		for _, p := range s.imports() {
			dir, mine := ours(p)
			if mine && dir != s.dir && (strings.HasPrefix(dir, "examples") || rooms[dir].kind == program || rooms[dir].kind == checks) {
				t.Errorf("%s imports %s", s.path, dir)
			}
			if isCore(s.dir) && isForbidden(p) {
				t.Errorf("%s imports %s: the core's tests need no driver either; use a leaf's own tests", s.path, p)
			}
		}
	}
}

// The table itself is held to the design.
func TestTable(t *testing.T) {
	for _, dir := range core {
		for _, p := range rooms[dir].ours {
			require.False(t, strings.HasPrefix(p, "examples") || p == "...", "%s → %s", dir, p)
			if dir != "authority" && dir != "sshca" {
				t.Errorf("%s may import %s; of the core packages only authority and sshca import ours", dir, p)
			}
		}
	}
	for dir, r := range rooms {
		for _, p := range r.others {
			if isCore(dir) && isForbidden(p) {
				t.Errorf("%s may import %s", dir, p)
			}
			if strings.Contains(p, "x509util") && dir != "template/step" {
				t.Errorf("%s may import x509util; only template/step does", dir)
			}
			if strings.HasPrefix(p, "go.step.sm/crypto") && dir != "template/step" && dir != "kms/softkms" {
				t.Errorf("%s may import %s", dir, p)
			}
		}
	}
}

// TestTopLevel keeps new top-level folders from growing: a package has a room already, or is a new idea.
func TestTopLevel(t *testing.T) {
	want := []string{"authority", "provisioner", "inventory", "template", "kms", "event", "acme", "sshca", "examples", "internal"}
	for _, s := range tree(t) {
		first, _, below := strings.Cut(s.path, "/")
		if below && !slices.Contains(want, first) {
			t.Errorf("%s: the top level has %v only", s.path, want)
		}
		if !below && !s.test && s.path != "doc.go" {
			t.Errorf("%s: the root package holds only doc.go", s.path)
		}
	}
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	require.NoError(t, err)
	for _, e := range entries {
		name := e.Name()
		switch filepath.Ext(name) {
		case ".md", ".go", ".mod", ".sum":
			continue
		}
		if e.IsDir() || name[0] == '.' || name == "LICENSE" || name == "NOTICE" {
			continue // folders without Go in them are somebody's working files, such as a CA's
		}
		t.Errorf("%s: a file that does not belong at the top level", name)
	}
}

func isKit(dir string) bool { return rooms[dir].kind == kit || rooms[dir].kind == rig }

// isCore reports whether a package is a core one or below one, leaves apart.
func isCore(dir string) bool {
	if slices.Contains(leaves, dir) {
		return false
	}
	first, _, _ := strings.Cut(dir, "/")
	return slices.Contains(core, first)
}

func isForbidden(path string) bool {
	return slices.ContainsFunc(forbidden, func(f string) bool {
		return strings.HasPrefix(path+"/", strings.TrimSuffix(f, "/")+"/") || strings.HasPrefix(path, f)
	})
}
