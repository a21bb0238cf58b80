package archtest

import (
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/require"
)

// A walker that sees nothing would pass any tree, so here is one that has it all.
func TestWalkerSees(t *testing.T) {
	const src = `package p
import (
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	w "log/slog"
	_ "net/http/pprof"
	_ "crypto/sha256"
)
var (
	table = map[string]int{"a": 1}
	mu    sync.Mutex
	pool  = sync.Pool{}
	count atomic.Int64
	last  string
)
type s struct{ last string; m map[string]int }
func init() {}
func (x *s) F(os struct{ Exit int }) {
	last := "local"
	last = "shadowed"
	x.last, x.m["a"] = last, os.Exit
	table["b"] = 2
	elsewhere++
	go func() { panic("x") }()
	w.Info("x")
	_ = http.DefaultClient
	http.DefaultTransport = nil
}
func g() { last = os.Getenv("X"); os.Exit(1) }
`
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, "p.go", src, 0)
	require.NoError(t, err)
	w := &walker{source: source{path: "p.go", set: set, ast: f}}
	w.file()
	var got []string
	for _, f := range w.found {
		got = append(got, f.fn+": "+f.what)
	}
	require.ElementsMatch(t, []string{
		": import of log", ": _ import of net/http/pprof", ": import of net/http/pprof",
		"a declaration: var of type sync.Mutex", "a declaration: var of type atomic.Int64",
		"init: func init",
		"s.F: assignment to the package's table", "s.F: assignment to the package's elsewhere",
		"s.F: go statement", "s.F: panic", "s.F: log/slog.Info",
		"s.F: net/http.DefaultClient", "s.F: net/http.DefaultTransport", "s.F: assignment to http.DefaultTransport",
		"g: assignment to the package's last", "g: os.Getenv", "g: os.Exit",
	}, got)
}
