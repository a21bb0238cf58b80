package export_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/export"
	"github.com/chancery-ca/chancery/provisioner"
)

func seq(records ...*authority.Record) iter.Seq2[*authority.Record, error] {
	return func(yield func(*authority.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// records are one of each kind: issued, revoked, reserved.
func records(t testing.TB) []*authority.Record {
	ca := authoritytest.New(t)
	issued, revoked := ca.Leaf("db.internal", "10.0.0.1"), ca.Leaf("web.internal")
	_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{
		Provisioner: authoritytest.Local, Local: true, Serial: authority.SerialOf(revoked.Leaf.SerialNumber), ReasonCode: 1, Reason: "it leaked <b>&",
	})
	require.NoError(t, err)
	open := *record(t, ca, issued.Leaf.SerialNumber.Text(16))
	open.Serial, open.Status, open.DER, open.IssuedAt, open.Names, open.Identifiers = "abc", authority.Reserved, nil, time.Time{}, nil, nil
	open.Shard, open.Entity, open.Previous, open.RequestID, open.Profile = 3, "vm-17", "abb", "r-1", "web"
	user := ca.SSHUser("alice")
	return []*authority.Record{record(t, ca, issued.Leaf.SerialNumber.Text(16)), record(t, ca, revoked.Leaf.SerialNumber.Text(16)), &open, record(t, ca, string(authority.SSHSerialOf(user.Certificate)))}
}

func record(t testing.TB, ca *authoritytest.CA, serial string) *authority.Record {
	r, err := ca.Authority.Certificate(t.Context(), authority.Serial(serial))
	require.NoError(t, err)
	return r
}

func TestJSONLinesComeBack(t *testing.T) {
	want := records(t)
	var b bytes.Buffer
	require.NoError(t, export.JSONLines(&b, seq(want...)))
	require.Equal(t, 4, strings.Count(b.String(), "\n"))
	require.Contains(t, b.String(), `"reason":"it leaked <b>&"`)
	var got []*authority.Record
	for r, err := range export.Read(strings.NewReader("\n" + b.String())) {
		require.NoError(t, err)
		got = append(got, r)
	}
	require.Equal(t, want, got)

	var bare bytes.Buffer
	require.NoError(t, export.JSONLines(&bare, export.Bare(seq(want...))))
	require.NotContains(t, bare.String(), "CERTIFICATE")
	require.NotContains(t, bare.String(), "tbs")
	require.NotNil(t, want[0].DER, "the records are not touched")
	for r, err := range export.Read(&bare) {
		require.NoError(t, err)
		require.Nil(t, r.DER)
	}
}

// The names of the members are for others to rely on.
func TestJSONLinesGolden(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("x", 3600))
	r := &authority.Record{
		Serial: "1f", Status: authority.Reserved, Operation: provisioner.X509Renew, Issuer: "intermediate", Shard: 2, TBS: []byte{1, 2},
		NotBefore: at, NotAfter: at.Add(time.Hour), Subject: "alice", Names: []string{"a.internal"}, KeyID: "00ff", Provisioner: "admin",
		Profile: "web", Entity: "u-1", Identifiers: []provisioner.Identifier{{Kind: "subject", Value: "alice"}}, Previous: "1e",
		RequestID: "r-1", ReservedAt: at, IssuedAt: at,
		Revocation: &authority.Revocation{Serial: "1f", ReasonCode: 4, Reason: "new key", RevokedAt: at, Provisioner: "admin", By: "alice"},
	}
	bare := &authority.Record{Serial: "a", Status: authority.Abandoned, NotBefore: at, NotAfter: at, ReservedAt: at}
	var b bytes.Buffer
	require.NoError(t, export.JSONLines(&b, seq(r, bare)))
	want, err := os.ReadFile(filepath.Join("testdata", "records.jsonl"))
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

func TestPEM(t *testing.T) {
	all := records(t)
	var b bytes.Buffer
	require.NoError(t, export.PEM(&b, seq(all...)))
	var got [][]byte
	for block, rest := pem.Decode(b.Bytes()); block != nil; block, rest = pem.Decode(rest) {
		got = append(got, block.Bytes)
	}
	require.Equal(t, [][]byte{all[0].DER, all[1].DER}, got, "a reservation has no certificate")
}

type broken struct{ after int }

func (w *broken) Write(p []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestStopsAtTheFirstError(t *testing.T) {
	all := records(t)
	bad := errors.New("the store is gone")
	yielded := 0
	failing := func(yield func(*authority.Record, error) bool) {
		yielded++
		if yield(all[0], nil) {
			yielded++
			yield(nil, bad)
		}
	}
	require.ErrorIs(t, export.JSONLines(&bytes.Buffer{}, failing), bad)
	require.ErrorIs(t, export.PEM(&bytes.Buffer{}, failing), bad)
	require.ErrorIs(t, export.JSONLines(&bytes.Buffer{}, export.Bare(failing)), bad)
	yielded = 0
	require.ErrorContains(t, export.JSONLines(&broken{}, failing), "disk full")
	require.ErrorContains(t, export.PEM(&broken{}, failing), "disk full")
	require.ErrorContains(t, export.JSONLines(&broken{}, export.Bare(failing)), "disk full")
	require.Equal(t, 3, yielded, "nobody asked for a second record")
}

func TestParseRefuses(t *testing.T) {
	all := records(t)
	var b bytes.Buffer
	require.NoError(t, export.JSONLines(&b, seq(all[0])))
	good := b.String()
	serial := string(all[0].Serial)
	for name, c := range map[string]struct{ old, with, want string }{
		"unknown member":     {`"status"`, `"colour":"red","status"`, "unknown field"},
		"status":             {`"issued",`, `"lost",`, "no status"},
		"decimal":            {`"serialDecimal":"`, `"serialDecimal":"1`, "not the same number"},
		"another serial":     {serial + `","serialDecimal":"` + all[0].Serial.Decimal(), `1f","serialDecimal":"31`, "the certificate has the serial"},
		"upper case":         {`"serial":"` + serial, `"serial":"0` + serial, "not a serial"},
		"previous":           {`"status"`, `"previous":"x","status"`, "not a serial"},
		"no certificate":     {"BEGIN CERTIFICATE", "BEGIN SOMETHING", "not one certificate"},
		"damaged":            {"MII", "MIJ", "x509"},
		"both":               {"\n}", "", "unexpected"},
		"tbs":                {`"certificate"`, `"tbs":"AQI=","certificate"`, "both certificate and tbs"},
		"year beyond UTC":    {`"notBefore":"`, `"issuedAt":"9999-12-31T23:59:59-01:00","notBefore":"`, "year 10000"},
		"time":               {`"notBefore":"`, `"notBefore":"x`, "parsing time"},
		"something after it": {"\n", "{}", "more text"},
	} {
		text := strings.Replace(good, c.old, c.with, 1)
		if name == "both" {
			text = strings.TrimSuffix(good, "}\n")
		}
		if name == "year beyond UTC" {
			text = strings.Replace(good, good[strings.Index(good, `"issuedAt"`):strings.Index(good, `"certificate"`)], `"issuedAt":"9999-12-31T23:59:59-01:00",`, 1)
		}
		require.NotEqual(t, good, text, name)
		_, err := export.Parse([]byte(text))
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestReadBounds(t *testing.T) {
	next, stop := iter.Pull2(export.Read(strings.NewReader("{}\n")))
	defer stop()
	_, err, _ := next()
	require.ErrorContains(t, err, "line 1")
	for _, err := range export.Read(strings.NewReader("\n" + strings.Repeat(" ", 5<<20))) {
		require.ErrorContains(t, err, "line 2 is over the limit")
	}
}

func TestRecords(t *testing.T) {
	ca := authoritytest.New(t)
	var want []authority.Serial
	for range 5 {
		want = append(want, authority.SerialOf(ca.Leaf("db.internal").Leaf.SerialNumber))
	}
	all := authority.EachOf(t.Context(), ca.Store.List, authority.Query{Name: "db.internal", Limit: 2, Cursor: "ignored"})
	for range 2 { // it may be walked again
		var got []authority.Serial
		for r, err := range all {
			require.NoError(t, err)
			got = append(got, r.Serial)
		}
		require.Equal(t, want, got)
	}
	for range all {
		break
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range authority.EachOf(canceled, ca.Store.List, authority.Query{}) {
		require.ErrorIs(t, err, context.Canceled)
		n++
	}
	require.Equal(t, 1, n)
}

func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzParse/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := export.Parse(line)
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := export.JSONLines(&first, seq(r)); err != nil {
			t.Fatalf("read and not written: %v", err)
		}
		again, err := export.Parse(first.Bytes())
		if err != nil {
			t.Fatalf("written and not read: %v\n%s", err, first.Bytes())
		}
		if err := export.JSONLines(&second, seq(again)); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("%v: %s is not %s", err, &second, &first)
		}
	})
}
