package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var root = filepath.Join("..", "..")

// pages are the Markdown files of the top level, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "*.md"))
	require.NoError(t, err)
	out := map[string]string{}
	for _, p := range found {
		out[filepath.Base(p)] = read(t, filepath.Base(p))
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} {
		require.Contains(t, out, name)
	}
	return out
}

// read returns a file of the module.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	require.NoError(t, err)
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// section is what stands below a heading, up to the next one.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, "\n## "+heading+"\n")
	require.True(t, ok, "there is no section %q", heading)
	before, _, _ := strings.Cut(after, "\n## ")
	return before
}

var row = regexp.MustCompile(`(?m)^\| (.+?) \|`)

// firstColumn is that of a section's table, without its head.
func firstColumn(t *testing.T, section string) []string {
	t.Helper()
	var out []string
	for _, m := range row.FindAllStringSubmatch(section, -1)[1:] { // "| --- |" has no letter
		if !strings.HasPrefix(m[1], "-") {
			out = append(out, m[1])
		}
	}
	require.NotEmpty(t, out)
	return out
}

var link = regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`)

func TestLinks(t *testing.T) {
	n := 0
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			n++
			_, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1])))
			require.NoError(t, err, "%s links to %s", name, m[1])
		}
	}
	require.Positive(t, n)
}

var command = regexp.MustCompile(`go (?:run|test|build|vet)((?: -\S+)*) \./([a-z0-9/]*)`)

// Whoever pastes a command finds what it names.
func TestCommands(t *testing.T) {
	n := 0
	for name, text := range pages(t) {
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			n++
			_, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[2])))
			require.NoError(t, err, "%s: %s", name, m[0])
		}
	}
	require.Positive(t, n)
}

// What a page is not: an advertisement.
func TestTone(t *testing.T) {
	for name, text := range pages(t) {
		for i, line := range strings.Split(text, "\n") {
			require.NotRegexp(t, `[A-Za-z]!(\s|$)`, line, "%s:%d", name, i+1)
		}
	}
}
