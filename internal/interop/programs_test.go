package interop

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/chancery-ca/chancery/internal/pgtest"
)

// programs are the ones the tests know, with the way to get each.
var programs = map[string]string{
	"go":       "https://go.dev/dl",
	"step":     "CGO_ENABLED=0 go install github.com/smallstep/cli/cmd/step@v0.30.2",
	"step-ca":  "CGO_ENABLED=0 go install github.com/smallstep/certificates/cmd/step-ca@v0.30.2",
	"openssl":  "apt-get install openssl",
	"curl":     "apt-get install curl",
	"certtool": "apt-get install gnutls-bin",
	"ocsptool": "apt-get install gnutls-bin",
	"nginx":    "apt-get install nginx",
	"jq":       "apt-get install jq",
	"certbot":  "apt-get install certbot",
	"lego":     "apt-get install lego",
	"caddy":    "apt-get install caddy",
	"node":     "apt-get install npm",
	"npm":      "apt-get install npm",
	"sh":       "apt-get install dash",
	"mv":       "apt-get install coreutils",

	"ssh":        "apt-get install openssh-client",
	"ssh-keygen": "apt-get install openssh-client",
	"plink":      "apt-get install putty-tools",
	"puttygen":   "apt-get install putty-tools",
	"ssh-agent":  "apt-get install openssh-client",
	"ssh-add":    "apt-get install openssh-client",
	"sshd":       "apt-get install openssh-server",
}

// need finds a program, or ends the test: skipped, or failed where nothing may be skipped.
func need(t testing.TB, name string) string {
	t.Helper()
	if path := find(name); path != "" {
		tally.add(t, name)
		return path
	}
	how, ok := programs[name]
	if !ok {
		t.Fatalf("%s is not in the list of programs", name)
	}
	unavailable(t, "%s is not installed; get it with: %s", name, how)
	return ""
}

// unavailable ends a test that cannot run here.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CHANCERY_INTEROP") == "require" {
		t.Fatalf("CHANCERY_INTEROP=require, and "+format, args...)
	}
	tally.skip(t)
	t.Skipf(format, args...)
}

// find looks on PATH, where go install puts things, and where Debian has daemons.
func find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	dirs := []string{os.Getenv("GOBIN"), "/usr/sbin"}
	for _, d := range filepath.SplitList(os.Getenv("GOPATH")) {
		dirs = append(dirs, filepath.Join(d, "bin"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, "go", "bin"))
	}
	for _, d := range dirs {
		if d == "" {
			continue
		}
		path := filepath.Join(d, name)
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return ""
}

// tally counts what ran: a skip is never a pass.
var tally counter

type counter struct {
	mu      sync.Mutex
	tests   map[string][]string // program → tests that used it
	skipped []string
}

func (c *counter) add(t testing.TB, program string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tests == nil {
		c.tests = map[string][]string{}
	}
	if !slices.Contains(c.tests[program], t.Name()) {
		c.tests[program] = append(c.tests[program], t.Name())
	}
}

func (c *counter) skip(t testing.TB) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skipped = append(c.skipped, t.Name())
}

func (c *counter) print() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range slices.Sorted(maps.Keys(programs)) {
		fmt.Printf("interop: %3d tests used %s\n", len(c.tests[p]), p)
	}
	if len(c.skipped) > 0 {
		fmt.Printf("interop: SKIPPED %v\n", c.skipped)
	}
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	scratch = dir
	// What was looked at is what go test compares before it serves an old result; the server is built by
	// a go command whose own looking does not count.
	filepath.WalkDir("../..", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
	code := pgtest.Run(m)
	stopAll()
	tally.print()
	os.RemoveAll(dir)
	os.Exit(code)
}
