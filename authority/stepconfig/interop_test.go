package stepconfig_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/sshca"
)

// program finds software that nobody here wrote.
func program(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

func step(t *testing.T, steppath string, args ...string) string {
	c := exec.CommandContext(t.Context(), program(t, "step"), args...)
	c.Env = append(os.Environ(), "STEPPATH="+steppath)
	b, err := c.CombinedOutput()
	require.NoError(t, err, "step %q: %s", args, b)
	return string(b)
}

func open(t *testing.T, f *stepconfig.File, pass string) *authority.Authority {
	c, err := f.Config(t.Context(), stepconfig.Options{Password: password(pass), Store: authority.NewMemory()})
	require.NoError(t, err)
	ca, err := authority.New(*c)
	require.NoError(t, err)
	t.Cleanup(func() { ca.Close() })
	_, err = authority.NewIdentity(t.Context(), ca, authority.IdentityOptions{Provisioner: stepconfig.Identity, CommonName: f.CommonName, Names: f.DNSNames})
	require.NoError(t, err)
	return ca
}

func TestStepFolder(t *testing.T) {
	for _, flag := range []string{"", "--ssh", "--no-db"} {
		t.Run(flag, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "step")
			pw := filepath.Join(t.TempDir(), "pw")
			require.NoError(t, os.WriteFile(pw, []byte("password"), 0o600))
			args := []string{"ca", "init", "--deployment-type", "standalone", "--name", "X", "--dns", "localhost", "--dns", "127.0.0.1",
				"--address", "127.0.0.1:9000", "--provisioner", "admin", "--password-file", pw, "--provisioner-password-file", pw}
			if flag != "" {
				args = append(args, flag)
			}
			step(t, dir, args...)
			f, err := stepconfig.Load(filepath.Join(dir, "config", "ca.json"))
			require.NoError(t, err)
			ca := open(t, f, "password")
			require.Equal(t, "CN=X Root CA,O=X", ca.Roots()[0].Subject.String())
			want := 2 // the one that step made, and the CA's own
			if flag == "--ssh" {
				want = 3
				require.Len(t, ca.SSHKeys().User, 1)
				require.Len(t, ca.SSHKeys().Host, 1)
				set, err := f.Snippets()
				require.NoError(t, err)
				keys := ca.SSHKeys()
				out, err := set.Render("user", sshca.Keys{User: keys.User, Host: keys.Host}, map[string]string{"StepPath": "/home/x/.step", "StepSSHTemplateVersion": "v2"})
				require.NoError(t, err)
				require.Len(t, out, 4)
			}
			require.Len(t, ca.Provisioners(), want)
		})
	}
}

func TestStepEditsOurFolder(t *testing.T) {
	f, dir, _ := copyCA(t)
	// The CLI asks the CA first, if there is one: nobody may answer at its address.
	for _, name := range []string{"ca.json", "defaults.json"} {
		path := filepath.Join(dir, "config", name)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(b, []byte(":9000"), []byte(":1")), 0o600))
	}
	pw := filepath.Join(dir, "secrets", "password")
	reload := func() *stepconfig.File {
		f, err := stepconfig.Load(f.Path)
		require.NoError(t, err)
		open(t, f, "hunter2")
		return f
	}
	names := func(f *stepconfig.File) map[string]string { // the CLI changes their order at will
		m := map[string]string{}
		for _, p := range f.Provisioners {
			m[p.Name] = p.Type
		}
		return m
	}
	key := func(f *stepconfig.File) string {
		for _, p := range f.Provisioners {
			if p.Name == "workloads" {
				return p.EncryptedKeys[0]
			}
		}
		return ""
	}
	template := filepath.Join(t.TempDir(), "leaf.tpl")
	require.NoError(t, os.WriteFile(template, []byte(`{"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "keyUsage": ["digitalSignature"]}`), 0o600))

	step(t, dir, "ca", "provisioner", "add", "workloads", "--type", "JWK", "--create", "--x509-default-dur", "720h", "--password-file", pw)
	step(t, dir, "ca", "provisioner", "add", "fleet", "--type", "X5C", "--x5c-root", f.Roots[0], "--x509-max-dur", "48h")
	step(t, dir, "ca", "provisioner", "update", "workloads", "--x509-template", template, "--allow-renewal-after-expiry")
	require.Equal(t, map[string]string{"admin": "JWK", "workloads": "JWK", "fleet": "X5C"}, names(reload()))
	step(t, dir, "ca", "provisioner", "remove", "admin")
	before := reload()
	require.Equal(t, map[string]string{"workloads": "JWK", "fleet": "X5C"}, names(before))
	// Another key for the same name, which the CLI cannot do by update without an admin API.
	step(t, dir, "ca", "provisioner", "remove", "workloads")
	step(t, dir, "ca", "provisioner", "add", "workloads", "--type", "JWK", "--create", "--password-file", pw)
	require.NotEqual(t, key(before), key(reload()))
}

func TestStepCAStartsFromOurFolder(t *testing.T) {
	program(t, "step-ca")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	dir := filepath.Join(t.TempDir(), "ca")
	f, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{
		Dir: dir, Name: "Test", DNSNames: []string{"localhost"}, Address: address, Password: []byte("hunter2"), KeepPassword: true,
	})
	require.NoError(t, err)
	store, err := f.OpenStore(t.Context(), nil) // our file does not disturb theirs
	require.NoError(t, err)
	defer store.Close()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, program(t, "step-ca"), f.Path, "--password-file", filepath.Join(dir, "secrets", "password"))
	c.Env = append(os.Environ(), "STEPPATH="+dir)
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Start())
	defer func() {
		cancel()
		c.Wait() //nolint:errcheck // killed
	}()

	trust := x509.NewCertPool()
	trust.AddCert(certificate(t, f.Roots[0]))
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, ServerName: "localhost"}}
	defer tr.CloseIdleConnections()
	up := func() bool {
		r, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Get("https://" + address + "/health")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	}
	deadline := time.Now().Add(60 * time.Second)
	for !up() && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
	}
	if !up() {
		cancel()
		c.Wait() //nolint:errcheck // so that nobody writes to out any more
		t.Fatalf("step-ca does not answer:\n%s", out.String())
	}
	client := filepath.Join(t.TempDir(), "client")
	step(t, client, "ca", "certificate", "web.internal", filepath.Join(dir, "c.crt"), filepath.Join(dir, "c.key"), "--ca-url", "https://localhost:"+address[strings.LastIndexByte(address, ':')+1:],
		"--root", f.Roots[0], "--provisioner", "admin", "--provisioner-password-file", filepath.Join(dir, "secrets", "password"))
}
