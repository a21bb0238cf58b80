package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca/krl"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	l := &krl.List{Version: 3, Generated: time.Now()}
	b, err := l.Marshal()
	require.NoError(t, err)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }))
	defer s.Close()
	root, file := filepath.Join(dir, "root.pem"), filepath.Join(dir, "krl")
	require.NoError(t, os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	args := []string{"-url", s.URL, "-root", root, "-file", file}
	var out, bad strings.Builder
	require.NoError(t, run(t.Context(), args, &out, &bad))
	require.Regexp(t, `^updated: version 3 of \S+, 0 entries\n$`, out.String())
	out.Reset()
	require.NoError(t, run(t.Context(), args, &out, &bad))
	require.Regexp(t, `^unchanged: version 3 of \S+, 0 entries\n$`, out.String())
	require.FileExists(t, file)

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.NoError(t, run(ctx, append(args, "-every", "50ms"), &out, &bad), "being told to stop is no failure")
	require.Empty(t, bad.String())

	pub, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(pub)
	require.NoError(t, err)
	keys := filepath.Join(dir, "keys")
	require.NoError(t, os.WriteFile(keys, append(append([]byte("# ours\n\n"), ssh.MarshalAuthorizedKey(key)...), "# no more\n"...), 0o600))
	require.ErrorIs(t, run(t.Context(), append(args, "-keys", keys), &out, &bad), krl.ErrSignature)
	unsigned := b
	b, err = krl.Sign(t.Context(), b, kms.FromCrypto(private))
	require.NoError(t, err)
	require.NoError(t, run(t.Context(), append(args, "-keys", keys), &out, &bad))
	b = unsigned
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.NoError(t, run(ctx, append(args, "-keys", keys, "-every", "50ms"), &out, &bad), "it goes on trying")
	require.Contains(t, bad.String(), "krlfetch: krl: not signed by a key that is trusted\n")
	l.Version = 2
	b, err = l.Marshal()
	require.NoError(t, err)
	require.ErrorIs(t, run(t.Context(), args, &out, &bad), krl.ErrRollback)
	for _, wrong := range [][]string{nil, {"-url", s.URL}, append(args, "more"), append(args, "-root", file), append(args, "-keys", root), append(args, "-keys", dir), append(args, "-root", dir), append(args, "-every", "-1s"), {"-nonsense"}} {
		require.Error(t, run(t.Context(), wrong, &out, &bad), wrong)
	}
	require.Error(t, run(t.Context(), []string{"-url", s.URL, "-file", file}, &out, &bad), "the system does not trust the server")
	require.NoError(t, run(t.Context(), []string{"-help"}, &out, &bad))
}
