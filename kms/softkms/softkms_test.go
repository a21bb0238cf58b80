package softkms

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/kmstest"
)

const password = "correct-horse"

func fixed(p string) func(context.Context, string) ([]byte, error) {
	return func(context.Context, string) ([]byte, error) { return []byte(p), nil }
}

// Without passwords: deriving their keys takes most of a minute under the race detector.
func TestManager(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) (kms.KeyManager, func(string) string) {
		dir := t.TempDir()
		return New(Options{Plain: true}), func(word string) string { return filepath.Join(dir, word+".pem") }
	})
}

func TestURI(t *testing.T) {
	m, dir := New(Options{Plain: true}), t.TempDir()
	made, err := m.CreateKey(t.Context(), "softkms:path="+dir+"/a%20key.pem", kms.Ed25519)
	require.NoError(t, err)
	opened, err := m.Signer(t.Context(), filepath.Join(dir, "a key.pem"))
	require.NoError(t, err)
	require.Equal(t, made.Public(), opened.Public())
}

// Each file that other programs write opens, and only with the right password.
func TestFilesOfOthers(t *testing.T) {
	files, err := filepath.Glob("testdata/*.pem")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	ctx := t.Context()
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			s, err := New(Options{Password: fixed(password)}).Signer(ctx, f)
			require.NoError(t, err)
			require.NoError(t, kms.SelfTest(ctx, s))
			asked := false
			_, err = New(Options{Password: func(context.Context, string) ([]byte, error) {
				asked = true
				return []byte("wrong"), nil
			}}).Signer(ctx, f)
			if !strings.Contains(f, "encrypted") {
				require.NoError(t, err)
				require.False(t, asked, "asked for the password of a key that has none")
				return
			}
			require.ErrorIs(t, err, kms.ErrPassword)
			for _, o := range []Options{{}, {Password: fixed("")}} {
				_, err = New(o).Signer(ctx, f)
				require.ErrorIs(t, err, kms.ErrPassword)
			}
		})
	}
}

func TestSameKeyInEveryForm(t *testing.T) {
	m := New(Options{Password: fixed(password)})
	want, err := m.Signer(t.Context(), "testdata/pkcs8-P-256.pem")
	require.NoError(t, err)
	for _, f := range []string{"sec1-P-256", "sec1-encrypted", "pkcs8-encrypted-openssl"} {
		got, err := m.Signer(t.Context(), "testdata/"+f+".pem")
		require.NoError(t, err)
		require.Equal(t, want.Public(), got.Public(), f)
	}
}

func TestRefusedFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/refused/*.pem")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		_, err := New(Options{Password: fixed(password)}).Signer(t.Context(), f)
		require.Error(t, err, f)
		require.NotErrorIs(t, err, kms.ErrPassword, f)
		require.ErrorContains(t, err, filepath.Base(f))
	}
}

func TestGarbage(t *testing.T) {
	const secret = "c2VjcmV0LWtleS1ieXRlcw"
	key, err := os.ReadFile("testdata/pkcs8-P-256.pem")
	require.NoError(t, err)
	cert := "-----BEGIN CERTIFICATE-----\n" + secret + "==\n-----END CERTIFICATE-----\n"
	for name, content := range map[string]string{
		"empty": "", "text": secret, "certificate": cert, "two keys": string(key) + string(key), "key and certificate": string(key) + cert,
		"text behind": string(key) + secret, "no DER": "-----BEGIN PRIVATE KEY-----\n" + secret + "==\n-----END PRIVATE KEY-----\n",
		"no DER, encrypted": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + secret + "==\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"no OpenSSH key":    "-----BEGIN OPENSSH PRIVATE KEY-----\n" + secret + "==\n-----END OPENSSH PRIVATE KEY-----\n",
		"too long":          strings.Repeat("x", maxFile+1),
	} {
		path := filepath.Join(t.TempDir(), "key.pem")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := New(Options{Password: fixed(password)}).Signer(t.Context(), path)
		require.ErrorContains(t, err, path, name)
		require.NotContains(t, err.Error(), secret, name)
		require.NotContains(t, err.Error(), "secret-key", name)
		require.NotErrorIs(t, err, kms.ErrPassword, name)
	}
	_, err = New(Options{}).Signer(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "not a regular file")
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"/a/key.pem": "/a/key.pem", "key.pem": "key.pem", `C:\ca\key.pem`: `C:\ca\key.pem`, "./odd:name": "./odd:name",
		"softkms:path=/a/key.pem": "/a/key.pem", "softkms:path=/a%3Bb%20c": "/a;b c", "softkms:path=/a+b": "/a+b",
	} {
		got, err := Path(name)
		require.NoError(t, err, name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{
		"", "softkms:", "softkms:/a/key.pem", "softkms:path=", "softkms:path=/a;path=/b", "softkms:path=/a;pin=1234", "softkms:path=/a?pin-value=1234",
		"softkms:path=/a#b", "softkms:path=%zz", "softkms:path=%00", "a\x00b", "awskms:key-id=1234", "pkcs11:pin-value=1234", "SOFTKMS:path=/a", "file:///a",
	} {
		_, err := Path(name)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "1234")
	}
}

func TestCreateKeyNeedsPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	_, err := New(Options{}).CreateKey(t.Context(), path, kms.ECDSAP256)
	require.ErrorIs(t, err, kms.ErrPassword)
	broken := errors.New("no terminal")
	_, err = New(Options{Plain: true, Password: func(context.Context, string) ([]byte, error) { return nil, broken }}).CreateKey(t.Context(), path, kms.ECDSAP256)
	require.ErrorIs(t, err, broken)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCreatedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	m := New(Options{Password: fixed(password)})
	made, err := m.CreateKey(t.Context(), path, kms.ECDSAP256)
	require.NoError(t, err)
	opened, err := m.Signer(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, made.Public(), opened.Public())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(b), "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "a temporary file is left")
	exposed, err := Exposed(path)
	require.NoError(t, err)
	require.False(t, exposed)
	if runtime.GOOS == "windows" {
		return
	}
	require.NoError(t, os.Chmod(path, 0o640))
	exposed, err = Exposed(path)
	require.NoError(t, err)
	require.True(t, exposed)
}

func TestCreateNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "key.pem"), filepath.Join(dir, "link.pem")
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	require.ErrorIs(t, create(path, []byte("x")), os.ErrExist)
	require.ErrorIs(t, createInPlace(path, []byte("x")), os.ErrExist)
	if runtime.GOOS != "windows" { // a link to nowhere is taken too: whoever made it would choose where the key goes
		require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), link))
		_, err := New(Options{Plain: true}).CreateKey(t.Context(), link, kms.Ed25519)
		require.ErrorIs(t, err, kms.ErrExists)
		require.ErrorIs(t, create(link, []byte("x")), os.ErrExist)
		require.ErrorIs(t, createInPlace(link, []byte("x")), os.ErrExist)
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(b))
	require.NoError(t, createInPlace(filepath.Join(dir, "new.pem"), []byte("x")))
	_, err = New(Options{Plain: true}).CreateKey(t.Context(), filepath.Join(dir, "no", "key.pem"), kms.Ed25519)
	require.ErrorIs(t, err, os.ErrNotExist)
}
