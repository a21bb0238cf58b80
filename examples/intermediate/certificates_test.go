package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/export"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
)

// certificatesCommand runs a subcommand in this process.
func certificatesCommand(t *testing.T, args ...string) (string, error) {
	var out, log bytes.Buffer
	err := certificates(t.Context(), args, &out, &log)
	return out.String() + log.String(), err
}

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// samples are records in every state that a table tells apart.
func samples() []*authority.Record {
	record := func(serial, subject string, change func(*authority.Record)) *authority.Record {
		r := &authority.Record{
			Serial: authority.Serial(serial), Status: authority.Issued, Operation: provisioner.X509Sign, Issuer: "intermediate",
			NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(23 * time.Hour), Subject: subject, Names: []string{subject},
			KeyID: "00ff", Provisioner: "admin", Profile: "admin", ReservedAt: noon.Add(-time.Hour), IssuedAt: noon.Add(-time.Hour),
		}
		if change != nil {
			change(r)
		}
		return r
	}
	revoked := func(code int) *authority.Revocation {
		return &authority.Revocation{ReasonCode: code, Reason: "it leaked", RevokedAt: noon.Add(-30 * time.Minute), Provisioner: "admin", By: "alice"}
	}
	return []*authority.Record{
		record("406b00a1", "db.internal", nil),
		record("406b00a2", "web.internal", func(r *authority.Record) { r.Names = []string{"a", "b", "c", "d", "e"} }),
		record("406b00a3", "mail.internal", func(r *authority.Record) { r.Revocation = revoked(1) }),
		record("406b00a4", "hold.internal", func(r *authority.Record) { r.Revocation = revoked(6) }),
		record("406b00a5", "old.internal", func(r *authority.Record) { r.NotAfter = noon.AddDate(0, 0, -3) }),
		record("406b00a6", "early.internal", func(r *authority.Record) { r.NotBefore = noon.Add(time.Second) }),
		record("406b00a7", "root.internal", func(r *authority.Record) { r.NotAfter = noon.AddDate(10, 0, 1) }),
		record("406b00a8", "", func(r *authority.Record) {
			r.Status, r.Names, r.Provisioner, r.IssuedAt = authority.Reserved, nil, "", time.Time{}
		}),
		record("406b00a9", "\x1b[2Jevil\nROW", func(r *authority.Record) {
			r.Status, r.Names = authority.Abandoned, []string{strings.Repeat("x", 200), "tab\there", "\u202eltr"}
		}),
	}
}

func yield(records []*authority.Record) iter.Seq2[*authority.Record, error] {
	return func(yield func(*authority.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestTableGolden(t *testing.T) {
	var b bytes.Buffer
	more, err := table(&b, yield(samples()), noon)
	require.NoError(t, err)
	require.False(t, more)
	golden(t, "table.txt", b.Bytes())

	b.Reset()
	more, err = table(&b, first(yield(samples()), 2), noon)
	require.NoError(t, err)
	require.True(t, more)
	require.Equal(t, 3, strings.Count(b.String(), "\n"))
	more, err = table(io.Discard, first(yield(samples()), len(samples())), noon)
	require.NoError(t, err)
	require.False(t, more, "as many as there are")
}

func TestDescribeGolden(t *testing.T) {
	var b bytes.Buffer
	s := samples()
	s[1].Entity, s[1].Previous, s[1].Shard, s[1].RequestID = "vm-17", "406b00a0", 3, "r-1"
	s[1].Identifiers = []provisioner.Identifier{{Kind: "subject", Value: "web.internal"}}
	for _, r := range []*authority.Record{s[1], s[2], s[7], s[8]} {
		require.NoError(t, describe(&b, r, noon))
	}
	golden(t, "show.txt", b.Bytes())
}

func TestQueryFlags(t *testing.T) {
	yes := true
	for _, c := range []struct {
		args string
		want authority.Query
	}{
		{"", authority.Query{}},
		{"-serial 31 -subject alice -name a.internal -provisioner admin -profile web -issuer i -entity u-1", authority.Query{
			Serial: "1f", Subject: "alice", Name: "a.internal", Provisioner: "admin", Profile: "web", Issuer: "i", Entity: "u-1"}},
		{"-serial 0x1F -key AA:bb -status issued -revoked true", authority.Query{Serial: "1f", KeyID: "aabb", Status: authority.Issued, Revoked: &yes}},
		{"-issued-since 7d -issued-until 36h", authority.Query{KnownFrom: noon.AddDate(0, 0, -7), KnownUntil: noon.Add(-36 * time.Hour)}},
		{"-expires-after 0s -expires-before 30d", authority.Query{NotAfterFrom: noon, NotAfterUntil: noon.AddDate(0, 0, 30)}},
		{"-starts-after 2026-01-02T03:04:05Z -starts-before -1h", authority.Query{
			NotBeforeFrom: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotBeforeUntil: noon.Add(-time.Hour)}},
		{"-issued-since 2026-01-02", authority.Query{KnownFrom: time.Date(2026, 1, 2, 0, 0, 0, 0, time.Local)}},
	} {
		var q choice
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		q.flags(fs, noon)
		require.NoError(t, fs.Parse(strings.Fields(c.args)), c.args)
		require.Equal(t, c.want, q.Query, c.args)
	}
	for _, args := range []string{"-serial x", "-serial 01F", "-status lost", "-revoked maybe", "-expires-before soon", "-issued-since 99999999d"} {
		var q choice
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		q.flags(fs, noon)
		require.Error(t, fs.Parse(strings.Fields(args)), args)
	}
}

func TestReasons(t *testing.T) {
	for in, want := range map[string]int{"keycompromise": 1, "1": 1, "certificateHold": 6, "unspecified": 0, "aACompromise": 10} {
		got, err := parseReason(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "7", "8", "removeFromCRL", "11", "-1"} {
		_, err := parseReason(bad)
		require.Error(t, err, bad)
	}
	require.Equal(t, "8", reasonName(8))
}

// folderWithRecords is a CA that nobody serves, and the serials of what it has issued.
func folderWithRecords(t *testing.T, n int) (dir string, serials []string) {
	dir = filepath.Join(t.TempDir(), "ca")
	f, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{
		Dir: dir, Name: "Test", DNSNames: []string{"localhost"}, Password: []byte("right"), KeepPassword: true,
	})
	require.NoError(t, err)
	store, err := f.OpenStore(t.Context(), nil)
	require.NoError(t, err)
	defer store.Close()
	c, err := f.Config(t.Context(), stepconfig.Options{Store: store, Password: findFolder(place{dir: dir, passwordFile: filepath.Join(dir, "secrets", "password")}, nil).password()})
	require.NoError(t, err)
	ca := authoritytest.New(t, func(o *authority.Config) {
		o.Roots, o.Issuers, o.Store = c.Roots, c.Issuers, store
	})
	for range n {
		serials = append(serials, "0x"+ca.Leaf("web.internal").Leaf.SerialNumber.Text(16))
	}
	return dir, serials
}

func TestCommandsWithoutAServer(t *testing.T) {
	dir, serials := folderWithRecords(t, 3)
	run := func(args ...string) string {
		out, err := certificatesCommand(t, append(args, "-dir", dir)...)
		require.NoError(t, err, "%q: %s", args, out)
		return out
	}
	fails := func(want string, args ...string) {
		out, err := certificatesCommand(t, append(args, "-dir", dir)...)
		require.ErrorContains(t, err, want, "%q: %s", args, out)
	}
	order := func(out string) (got []string) {
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "0x") {
				got = append(got, strings.Fields(line)[0])
			}
		}
		return got
	}
	require.Equal(t, serials, order(run("list", "-oldest")))
	newest := slices.Clone(serials)
	slices.Reverse(newest)
	require.Equal(t, newest, order(run("list")))
	out := run("list", "-limit", "2")
	require.Equal(t, newest[:2], order(out))
	require.Contains(t, out, "There are more than these 2")
	require.Empty(t, order(run("list", "-name", "nobody")))

	out = run("export")
	n := 0
	for r, err := range export.Read(strings.NewReader(out)) {
		require.NoError(t, err)
		require.Equal(t, serials[n], "0x"+string(r.Serial))
		n++
	}
	require.Equal(t, 3, n)
	require.NotContains(t, run("export", "-bare"), "BEGIN")
	require.Equal(t, 1, strings.Count(run("export", "-format", "pem", "-serial", serials[1]), "BEGIN CERTIFICATE"))
	out = run("show", serials[0])
	block, _ := pem.Decode([]byte(out))
	require.NotNil(t, block)
	require.Contains(t, out, "Names        web.internal")

	require.Contains(t, run("revoke", serials[0], "-reason", "keyCompromise", "-note", "laptop lost"), "is revoked: keyCompromise")
	out = run("show", serials[0])
	require.Regexp(t, `(?s)revoked: keyCompromise.*By +operator.*Because +laptop lost`, out)
	fails("revoked already", "revoke", serials[0])
	run("revoke", serials[1], "-reason", "certificateHold")
	require.Contains(t, run("list"), "on hold")
	run("release", serials[1])
	require.Contains(t, run("revoke", "-provisioner", authoritytest.Local, "-dry-run"), "2 would be revoked.")
	require.Contains(t, run("revoke", "-provisioner", authoritytest.Local, "-yes"), "2 revoked, of 2")
	require.Empty(t, order(run("list", "-revoked", "false")))

	fails("say which", "revoke")
	fails("-dry-run to count", "revoke", "-name", "x")
	fails("-dry-run to count", "revoke", "-name", "x", "-yes", "-dry-run")
	fails("say one serial", "show")
	fails("say one serial", "release")
	fails("there is no certificate with serial 0x7", "show", "7")
	fails(`no argument "b"`, "show", "a", "b")
	fails(`-format is jsonl or pem, not "xml"`, "export", "-format", "xml")
	fails("exclude each other", "list", "-config", "x")
	fails("-db must be a URL", "list", "-db", "x")
	_, err := certificatesCommand(t, "list", "-dir", filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "cannot be read")
	out, err = certificatesCommand(t, "revoke", "-help")
	require.NoError(t, err)
	require.Contains(t, out, "-dry-run")
	out, err = certificatesCommand(t)
	require.NoError(t, err)
	require.Contains(t, out, "usage:")
}

// Reading takes nothing away from a server: neither the lock, nor what it writes meanwhile.
func TestReadingBesideAWriter(t *testing.T) {
	dir, serials := folderWithRecords(t, 1)
	f, err := stepconfig.Load(filepath.Join(dir, "config", "ca.json"))
	require.NoError(t, err)
	s, err := sqlite.Open(t.Context(), f.DB.Path, nil)
	require.NoError(t, err)
	defer s.Close()
	out, err := certificatesCommand(t, "list", "-dir", dir)
	require.NoError(t, err)
	require.Contains(t, out, serials[0])
	require.NoError(t, s.SetMark(t.Context(), "x", noon))
	_, err = certificatesCommand(t, "revoke", "-dir", dir, serials[0])
	require.ErrorIs(t, err, errServing)
	out, err = certificatesCommand(t, "revoke", "-dir", dir, "-name", "web.internal", "-dry-run")
	require.NoError(t, err)
	require.Contains(t, out, "1 would be revoked.")
	_, err = certificatesCommand(t, "revoke", "-dir", dir, "-name", "web.internal", "-yes")
	require.ErrorIs(t, err, errServing)
}

// ca.json names a PostgreSQL database as step-ca's do: the server, and the database in it.
func TestPostgreSQLInTheFile(t *testing.T) {
	u, err := url.Parse(pgtest.Start(t).Database(t))
	require.NoError(t, err)
	database := strings.TrimPrefix(u.Path, "/")
	u.Path = "/"
	dir, _ := folderWithRecords(t, 0)
	path := filepath.Join(dir, "config", "ca.json")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	m["db"] = map[string]any{"type": "postgresql", "dataSource": u.String(), "database": database}
	b, err = json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))

	f, err := stepconfig.Load(path)
	require.NoError(t, err)
	s, err := findFolder(place{dir: dir}, nil).openStore(t.Context(), f, false)
	require.NoError(t, err)
	defer s.Close()
	r := samples()[0]
	require.NoError(t, s.Reserve(t.Context(), r, provisioner.Spend{}))
	out, err := certificatesCommand(t, "list", "-dir", dir)
	require.NoError(t, err)
	require.Contains(t, out, "0x"+string(r.Serial))

	m["db"] = map[string]any{"type": "postgresql", "dataSource": "postgres://u:secret@127.0.0.1:1/", "database": database}
	b, err = json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	_, err = certificatesCommand(t, "list", "-dir", dir)
	require.ErrorContains(t, err, "db.dataSource: ")
	require.ErrorIs(t, err, authority.ErrUnavailable)
	require.NotContains(t, err.Error(), "secret")
}
