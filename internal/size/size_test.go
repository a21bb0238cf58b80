package size

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	embedder    = "./testdata/embedder"
	maxBytes    = 9_000_000 // stripped, linux/amd64
	maxPackages = 75        // neither ours nor the standard library's
)

// forbidden are other people's packages that no minimal embedder links, nor any core package.
var forbidden = []string{
	"cloud.google.com", "aws-sdk-go", "Azure", "pgx", "sqlite", "bbolt", "nats", "franz", "grpc", "cel.dev", "k8s.io",
	"zlint", "opentelemetry", "go-chi", "goose", "prometheus", "sprig", "x509util",
}

// core is checked as well, package by package: what one of them links, every embedder does.
var core = []string{
	"authority", "authority/httpapi", "authority/policy", "provisioner", "provisioner/jwk", "provisioner/x5c",
	"inventory", "template", "kms", "kms/softkms", "event",
}

func TestMinimalEmbedder(t *testing.T) {
	watch(t)
	bin := filepath.Join(t.TempDir(), "embedder")
	goTool(t, "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, embedder)
	info, err := os.Stat(bin)
	require.NoError(t, err)
	third := thirdParty(t, embedder)
	t.Logf("minimal embedder: %d bytes of %d, %d third-party packages of %d", info.Size(), maxBytes, len(third), maxPackages)

	if info.Size() > maxBytes {
		t.Errorf("%d bytes are over the budget of %d; look with: go build -o /tmp/e ./internal/size/testdata/embedder && go tool nm -size -sort size /tmp/e | head -50", info.Size(), maxBytes)
	}
	if len(third) > maxPackages {
		t.Errorf("%d third-party packages are over the budget of %d:\n\t%s", len(third), maxPackages, strings.Join(third, "\n\t"))
	}
	refuse(t, "the minimal embedder", third)
}

func TestCoreLinksNoDriver(t *testing.T) {
	watch(t)
	var paths []string
	for _, p := range core {
		paths = append(paths, "github.com/chancery-ca/chancery/"+p)
	}
	third := thirdParty(t, paths...)
	require.NotEmpty(t, third, "go list found nothing, which cannot be")
	refuse(t, "the core", third)
}

// watch looks at every folder of the module: what a test looked at is what go test compares before it
// serves an old result, and the go command's own looking does not count.
func watch(t *testing.T) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("../..", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	}))
}

func refuse(t *testing.T, who string, packages []string) {
	t.Helper()
	for _, p := range packages {
		for _, f := range forbidden {
			if strings.Contains(p, f) {
				t.Errorf("%s links %s", who, p)
			}
		}
	}
}

// thirdParty lists what packages link of other people's modules.
func thirdParty(t *testing.T, packages ...string) []string {
	t.Helper()
	args := append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, packages...)
	var out []string
	for _, p := range strings.Fields(goTool(t, args...)) {
		if !strings.HasPrefix(p, "github.com/chancery-ca/chancery") {
			out = append(out, p)
		}
	}
	return out
}

// goTool runs the go command for the platform of the budget.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("go")
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("the go command is not on PATH, and nothing may be skipped here")
		}
		t.Skip("the go command is not on PATH")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=-mod=readonly")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(stdout)
}
