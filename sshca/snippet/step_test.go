package snippet_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/sshca/snippet"
)

// server is as much of a CA as step ssh config talks to.
func server(t *testing.T, set *snippet.Set, keys snippet.Keys) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ssh/config", func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Type string            `json:"type"`
			Data map[string]string `json:"data"`
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		files, err := set.Render(req.Type, keys, req.Data)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(w).Encode(map[string]any{"status": 400, "message": err.Error()})
			return
		}
		json.NewEncoder(w).Encode(map[string]any{req.Type + "Templates": files})
	})
	mux.HandleFunc("GET /ssh/roots", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"userKey": []string{base64.StdEncoding.EncodeToString(keys.User[0].Marshal())}})
	})
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

// The step that people have writes the files, ssh reads what it has written, and what was there before
// stays, however often it is done.
func TestStepWrites(t *testing.T) {
	stepCLI := program(t, "step", "CGO_ENABLED=0 go install github.com/smallstep/cli/cmd/step@v0.30.2")
	ssh := program(t, "ssh", "apt-get install openssh-client")
	c := newClient(t)
	s := server(t, snippet.Builtin(), builtinKeys(t))
	root := filepath.Join(c.home, "root.crt")
	write(t, root, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	c.after = filepath.Join(c.home, ".ssh", "config")
	write(t, c.after, existing)
	run := func(args ...string) (string, error) {
		cmd := exec.Command(stepCLI, append([]string{"ssh", "config", "--ca-url", s.URL, "--root", root}, args...)...)
		cmd.Dir = c.home
		cmd.Env = []string{"HOME=" + c.home, "STEPPATH=" + filepath.Join(c.home, "step"), "PATH=/usr/bin:/bin"}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	var first []byte
	for range 2 {
		out, err := run("--force", "--set", "User=alice")
		require.NoError(t, err, out)
		b, err := os.ReadFile(c.after)
		require.NoError(t, err)
		require.Contains(t, string(b), existing)
		require.Equal(t, 1, strings.Count(string(b), "Include"))
		includes, err := os.ReadFile(filepath.Join(c.home, "step", "ssh", "includes"))
		require.NoError(t, err)
		if first == nil {
			first = includes
		}
		require.Equal(t, string(first), string(includes))
	}
	known, err := os.ReadFile(filepath.Join(c.home, "step", "ssh", "known_hosts"))
	require.NoError(t, err)
	require.Equal(t, "@cert-authority * "+line(key(t, 2))+"\n@cert-authority * "+line(key(t, 4))+"\n", string(known))

	before, err := c.settings(ssh, c.before, "git.example.com")
	require.NoError(t, err)
	after, err := c.settings(ssh, c.after, "git.example.com")
	require.NoError(t, err)
	require.Equal(t, before, after)
	managed, err := c.settings(ssh, c.after, "db.managed.example.com")
	require.NoError(t, err)
	require.Contains(t, managed, "user alice\n")
	require.Contains(t, managed, "userknownhostsfile "+filepath.Join(c.home, "step", "ssh", "known_hosts")+"\n")

	out, err := run("--host", "--dry-run", "--set", "Certificate=host-cert.pub", "--set", "Key=host")
	require.NoError(t, err, out)
	require.Contains(t, out, "Match all\n\tTrustedUserCAKeys /etc/ssh/ca.pub\n\tHostCertificate /etc/ssh/host-cert.pub\n\tHostKey /etc/ssh/host\n")
	require.Contains(t, out, line(key(t, 1))+"\n")
	out, err = run("--host", "--dry-run")
	require.Error(t, err)
	require.Contains(t, out, "Certificate")
}

// The templates that step ca init has written into people's folders work, and do what the built-in ones do.
func TestStepsOwnTemplates(t *testing.T) {
	stepCLI := program(t, "step", "CGO_ENABLED=0 go install github.com/smallstep/cli/cmd/step@v0.30.2")
	home := t.TempDir()
	write(t, filepath.Join(home, "password"), "password")
	cmd := exec.Command(stepCLI, "ca", "init", "--ssh", "--name", "A", "--dns", "localhost", "--address", ":9000", "--provisioner", "a",
		"--deployment-type", "standalone", "--password-file", filepath.Join(home, "password"))
	cmd.Env = []string{"HOME=" + home, "STEPPATH=" + home, "PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	var config struct {
		Templates struct {
			SSH struct{ User, Host []map[string]any }
		}
	}
	b, err := os.ReadFile(filepath.Join(home, "config", "ca.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &config))
	load := func(all []map[string]any) (ts []snippet.Template) {
		for _, m := range all {
			text, err := os.ReadFile(filepath.Join(home, m["template"].(string)))
			require.NoError(t, err)
			ts = append(ts, snippet.Template{ // without what it requires, as older versions have written it
				Name: m["name"].(string), Type: m["type"].(string), Path: m["path"].(string), Comment: m["comment"].(string), Text: string(text),
			})
		}
		return ts
	}
	theirs, err := snippet.New(load(config.Templates.SSH.User), load(config.Templates.SSH.Host))
	require.NoError(t, err)
	_, err = theirs.Render("host", builtinKeys(t), nil)
	missing, ok := errors.AsType[*snippet.MissingError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "Certificate", missing.Variable)

	for _, data := range []map[string]string{
		{"GOOS": "linux", "StepPath": "/home/a/.step", "StepSSHTemplateVersion": "v2", "User": "a", "Certificate": "c", "Key": "k"},
		{"GOOS": "darwin", "StepPath": "/Users/a/.step", "User": "a@b", "Console": "true", "Certificate": "c", "Key": "k"},
		{
			"GOOS": "windows", "StepPath": `C:\Users\a\.step\x`, "StepBasePath": `C:\Users\a\.step`, "StepSSHTemplateVersion": "v2",
			"User": "a", "Context": "x", "Provisioner": "p@b", "Certificate": "c", "Key": "k",
		},
	} {
		for _, kind := range []string{"user", "host"} {
			want, err := theirs.Render(kind, builtinKeys(t), data)
			require.NoError(t, err)
			got, err := snippet.Builtin().Render(kind, builtinKeys(t), data)
			require.NoError(t, err)
			require.Len(t, got, len(want))
			for i := range want {
				want[i].Content, got[i].Content = words(want[i].Content), words(got[i].Content)
				require.Equal(t, want[i], got[i])
			}
		}
	}
}

// words is a text in which only the amount of white space is forgotten.
func words(text []byte) []byte { return []byte(strings.Join(strings.Fields(string(text)), " ")) }
