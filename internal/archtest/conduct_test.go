package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

// never is what library code does not touch: by import path, the names in it. A nil list is the whole
// package.
var never = map[string][]string{
	"os":        {"Exit", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv", "Args", "Stdin", "Stdout", "Stderr", "Chdir"},
	"syscall":   {"Exit", "Getenv", "Setenv"},
	"os/signal": nil,
	"os/exec":   nil,
	"os/user":   nil,
	"flag":      nil,
	"expvar":    nil,
	"unsafe":    nil,
	"log":       nil,
	"log/slog":  {"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "SetLogLoggerLevel", "With"},
	"net/http": {"DefaultClient", "DefaultTransport", "DefaultServeMux", "Get", "Head", "Post", "PostForm",
		"Handle", "HandleFunc", "ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"},
	"net/http/pprof": nil,
	"math/rand":      nil, // crypto/rand for secrets; math/rand/v2 says that it is not
	"time":           {"AfterFunc", "Tick"},
	"fmt":            {"Print", "Printf", "Println"},
	"net":            {"DefaultResolver", "LookupHost", "LookupIP", "LookupAddr"}, // every outbound call has a policy
}

// vars that look like package state and are none: a pool holds nothing that anybody relies on.
var stateless = map[string]bool{"sync.Pool": true}

func TestConduct(t *testing.T) {
	used := map[int]bool{}
	for _, s := range tree(t) {
		r, ok := rooms[s.dir]
		if s.test || !ok || r.kind == program || r.kind == checks || r.kind == rig {
			continue
		}
		w := &walker{source: s, kit: r.kind == kit}
		w.file()
		for _, f := range w.found {
			excused := false
			for i, e := range excuses {
				if e.dir == s.dir && e.fn == f.fn && e.what == f.what && e.why != "" {
					used[i], excused = true, true
				}
			}
			if !excused {
				t.Errorf("%s: %s in %s: library code does not do that (%s)", s.set.Position(f.pos), f.what, f.fn, f.rule)
			}
		}
	}
	for i, e := range excuses {
		if !used[i] {
			t.Errorf("the excuse for %s in %s.%s is not needed any more", e.what, e.dir, e.fn)
		}
	}
}

type finding struct {
	pos            token.Pos
	fn, what, rule string
}

// walker looks through one file.
type walker struct {
	source
	kit     bool
	names   map[string]string // local name of an import → its path
	globals map[string]bool   // package-level variables of this file
	fn      string            // being walked
	found   []finding
}

func (w *walker) add(pos token.Pos, what, rule string) {
	w.found = append(w.found, finding{pos, w.fn, what, rule})
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

func (w *walker) file() {
	w.names, w.globals = map[string]string{}, map[string]bool{}
	for i, p := range w.imports() {
		name := path.Base(p)
		if majorVersion.MatchString(name) {
			name = path.Base(path.Dir(p))
		}
		if n := w.ast.Imports[i].Name; n != nil {
			name = n.Name
		}
		if name == "." || name == "_" && p != "embed" && !strings.HasPrefix(p, "crypto/sha") {
			w.add(w.ast.Imports[i].Pos(), name+" import of "+p, "imports have names, and none is for its side effect, embed and hash functions apart")
		}
		w.names[name] = p
		if names, ok := never[p]; ok && names == nil {
			w.add(w.ast.Imports[i].Pos(), "import of "+p, "the process belongs to the embedder")
		}
	}
	for _, d := range w.ast.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			w.vars(g)
		}
	}
	for _, d := range w.ast.Decls {
		w.fn = "a declaration"
		if f, ok := d.(*ast.FuncDecl); ok {
			w.fn = funcName(f)
			if w.fn == "init" {
				w.add(f.Pos(), "func init", "packages do nothing by being imported")
			}
		}
		ast.Inspect(d, w.node)
	}
}

// vars notes the package's variables. Ones that exist to be changed are found here, the others where
// they are changed.
func (w *walker) vars(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		for _, n := range v.Names {
			w.globals[n.Name] = true
		}
		typ := v.Type
		if typ == nil && len(v.Values) > 0 {
			if lit, ok := v.Values[0].(*ast.CompositeLit); ok {
				typ = lit.Type
			}
		}
		if sel, ok := typ.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				if p, name := w.names[x.Name], x.Name+"."+sel.Sel.Name; (p == "sync" || p == "sync/atomic") && !stateless[name] {
					w.fn = "a declaration"
					w.add(v.Pos(), "var of type "+name, "a package has no mutable state")
				}
			}
		}
	}
}

func (w *walker) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		if !w.kit {
			w.add(n.Pos(), "go statement", "goroutines belong to the caller")
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && f.Obj == nil && !w.kit && (f.Name == "panic" || f.Name == "print" || f.Name == "println") {
			w.add(n.Pos(), f.Name, "nothing that a caller or a client does may end the process")
		}
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && x.Obj == nil {
			p := w.names[x.Name]
			for _, name := range never[p] {
				if name == n.Sel.Name {
					w.add(n.Pos(), fmt.Sprintf("%s.%s", p, name), "the process belongs to the embedder")
				}
			}
		}
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, l := range n.Lhs {
				w.assigned(l)
			}
		}
	case *ast.IncDecStmt:
		w.assigned(n.X)
	}
	return true
}

// assigned finds a change to a package-level variable. One of another file of the package has no Obj, as
// fields and the universe have none, so only names that nothing in this file declares are looked at.
func (w *walker) assigned(e ast.Expr) {
	switch x := e.(type) {
	case *ast.IndexExpr:
		w.assigned(x.X)
	case *ast.SelectorExpr:
		if id, ok := x.X.(*ast.Ident); ok && id.Obj == nil && w.names[id.Name] != "" {
			w.add(e.Pos(), "assignment to "+id.Name+"."+x.Sel.Name, "another package's variable is not ours to set")
			return
		}
		w.assigned(x.X)
	case *ast.StarExpr:
		w.assigned(x.X)
	case *ast.Ident:
		if x.Name == "_" {
			return
		}
		if x.Obj == nil {
			w.add(e.Pos(), "assignment to the package's "+x.Name, "a package has no mutable state")
		} else if w.globals[x.Name] && w.ast.Scope.Lookup(x.Name) == x.Obj {
			w.add(e.Pos(), "assignment to the package's "+x.Name, "a package has no mutable state")
		}
	}
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	typ := f.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}
