package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	oracle "golang.org/x/crypto/ocsp"

	"github.com/chancery-ca/chancery/authority"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestGolden(t *testing.T) {
	at := time.Date(2031, 2, 3, 4, 5, 6, 789, time.FixedZone("", 3600))
	ca := root(t, "CA", newKey(t), 1)
	var q wireRequest
	unmarshal(t, question(t, &x509.Certificate{SerialNumber: big.NewInt(0x8001)}, ca, crypto.SHA1), &q)
	q.TBS.List[0].ID.Name, q.TBS.List[0].ID.Key = bytes.Repeat([]byte{1}, 20), bytes.Repeat([]byte{2}, 20)
	id, err := asn1.Marshal(q.TBS.List[0].ID)
	require.NoError(t, err)
	d := &responseData{
		responder: [20]byte{19: 9}, producedAt: at, thisUpdate: at.Add(-time.Minute), nextUpdate: at.Add(time.Hour), nonce: []byte("nonce"),
		singles: []single{
			{string(id), certStatus{kind: good}}, {string(id), certStatus{kind: unknown}},
			{string(id), certStatus{revoked, 0, at.Unix()}}, {string(id), certStatus{revoked, 10, at.Unix()}},
		},
	}
	data, err := d.marshal()
	require.NoError(t, err)
	golden(t, "data.der", data)
	plain, err := marshalResponse(data, ecdsaWithSHA256, []byte("signature"), nil)
	require.NoError(t, err)
	golden(t, "direct.der", plain)
	delegated, err := marshalResponse(data, ecdsaWithSHA256, []byte("signature"), []byte{0x30, 2, 5, 0})
	require.NoError(t, err)
	golden(t, "delegated.der", delegated)

	b, got := open(t, delegated)
	require.Equal(t, []byte("signature"), b.Signature.Bytes)
	require.Equal(t, "1.2.840.10045.4.3.2", b.Algorithm.Algorithm.String())
	require.Len(t, b.Certificates, 1)
	require.Equal(t, d.responder[:], got.Responder)
	require.Len(t, got.Singles, 4)
	require.True(t, got.ProducedAt.Equal(at.Truncate(time.Second)))

	d.nextUpdate = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = d.marshal()
	require.Error(t, err)
}

func TestParseRequest(t *testing.T) {
	ca, leaf := root(t, "CA", newKey(t), 1), root(t, "Leaf", newKey(t), 0x7fff)
	plain := question(t, leaf, ca, crypto.SHA1)
	q := parseRequest(plain)
	require.Equal(t, authority.Serial("7fff"), q.certs[0].serial)
	require.Equal(t, hashSHA1, q.certs[0].issuer.hash)
	want, err := oracle.ParseRequest(plain)
	require.NoError(t, err)
	require.Equal(t, want.IssuerNameHash, q.certs[0].issuer.name[:20])
	require.Equal(t, want.IssuerKeyHash, q.certs[0].issuer.key[:20])

	oidOther := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	add := func(e ...pkix.Extension) func(*wireRequest) {
		return func(q *wireRequest) { q.TBS.Extensions = append(q.TBS.Extensions, e...) }
	}
	explicit := func(tag int, v any) asn1.RawValue {
		der, err := asn1.MarshalWithParams(v, "")
		require.NoError(t, err)
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: der}
	}
	for name, change := range map[string]func(*wireRequest){
		"requestor":          func(q *wireRequest) { q.TBS.Requestor = explicit(1, "me") },
		"signature":          func(q *wireRequest) { q.Signature = explicit(0, []int{1}) },
		"extension":          add(extension(oidOther, false, 1)),
		"acceptable":         add(extension(oidAcceptableResponses, false, 1)),
		"acceptable basic":   add(extension(oidAcceptableResponses, true, []asn1.ObjectIdentifier{oidOther, oidBasic})),
		"critical nonce":     add(extension(oidNonce, true, []byte("n"))),
		"no parameters":      func(q *wireRequest) { q.TBS.List[0].ID.Algorithm.Parameters = asn1.RawValue{} },
		"other parameters":   func(q *wireRequest) { q.TBS.List[0].ID.Algorithm.Parameters.FullBytes = []byte{2, 1, 1} },
		"other hash":         func(q *wireRequest) { q.TBS.List[0].ID.Algorithm.Algorithm = oidOther },
		"length of the hash": func(q *wireRequest) { q.TBS.List[0].ID.Key = []byte{1} },
		"single extension":   func(q *wireRequest) { q.TBS.List[0].Extensions = []pkix.Extension{extension(oidOther, false, 1)} },
	} {
		require.NotNil(t, parseRequest(edit(t, plain, change)), name)
	}
	many := make([]pkix.Extension, maxExtensions+1)
	for i := range many {
		many[i] = extension(append(oidOther, i), false, 1)
	}
	for name, change := range map[string]func(*wireRequest){
		"version 2":         func(q *wireRequest) { q.TBS.Version = 1 },
		"no certificate":    func(q *wireRequest) { q.TBS.List = nil },
		"critical":          add(extension(oidOther, true, 1)),
		"acceptable other":  add(extension(oidAcceptableResponses, true, []asn1.ObjectIdentifier{oidOther})),
		"acceptable broken": add(extension(oidAcceptableResponses, true, []int{1})),
		"two nonces":        add(extension(oidNonce, false, []byte("n")), extension(oidNonce, false, []byte("m"))),
		"nonce unwrapped":   add(pkix.Extension{Id: oidNonce, Value: []byte("12345678")}),
		"nonce and more":    add(pkix.Extension{Id: oidNonce, Value: []byte{4, 1, 1, 0}}),
		"many extensions":   add(many...),
		"single critical":   func(q *wireRequest) { q.TBS.List[0].Extensions = []pkix.Extension{extension(oidOther, true, 1)} },
		"single nonce": func(q *wireRequest) {
			q.TBS.List[0].Extensions = []pkix.Extension{extension(oidNonce, true, []byte("n"))}
		},
	} {
		require.Nil(t, parseRequest(edit(t, plain, change)), name)
	}
	for name, der := range map[string][]byte{
		"nil": nil, "response": TryLater.der(), "indefinite": append([]byte{0x30, 0x80}, plain[2:]...),
		"long length": append([]byte{0x30, 0x81, plain[1]}, plain[2:]...), "more": append(bytes.Clone(plain), 5, 0),
	} {
		require.Nil(t, parseRequest(der), name)
	}
	for i := range plain {
		require.Nil(t, parseRequest(plain[:i]))
	}
	// Version 1 may be said.
	said := bytes.Clone(plain)
	said[1], said[3] = said[1]+5, said[3]+5
	said = append(said[:4:4], append([]byte{0xa0, 3, 2, 1, 0}, said[4:]...)...)
	require.NotNil(t, parseRequest(said))
	said[8] = 1
	require.Nil(t, parseRequest(said))
}

// FuzzRequest: of bytes comes an error, or a request that says the same when it is written with encoding/asn1;
// and every answer to it is one.
func FuzzRequest(f *testing.F) {
	if seeds, _ := filepath.Glob(filepath.Join("testdata", "fuzz", f.Name(), "*")); len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	w := newWorld(f, Options{Cache: 10})
	leaf := w.Leaf("a.internal").Leaf
	f.Add(question(f, leaf, w.Intermediate, crypto.SHA1))
	f.Add(withNonce(f, question(f, leaf, w.Intermediate, crypto.SHA256), []byte("nonce")))
	f.Fuzz(func(t *testing.T, der []byte) {
		q := parseRequest(der)
		a, err := w.respond(t.Context(), der)
		if q == nil {
			require.Equal(t, MalformedRequest, err)
			return
		}
		require.LessOrEqual(t, len(der), maxRequest)
		require.True(t, len(q.certs) > 0 && len(q.certs) <= maxSingles)
		again := parseRequest(write(t, q))
		require.Equal(t, q, again)
		if err != nil {
			require.Equal(t, Unauthorized, err)
			return
		}
		_, d := open(t, a.der)
		require.Len(t, d.Singles, len(q.certs))
		require.Equal(t, q.nonce != nil, len(d.Extensions) == 1)
	})
}

// write makes the least request that says what q says.
func write(t testing.TB, q *request) []byte {
	var out struct {
		TBS struct {
			List       []asn1.RawValue
			Extensions []pkix.Extension `asn1:"explicit,tag:2,optional"`
		}
	}
	for _, c := range q.certs {
		single, err := asn1.Marshal(struct{ ID asn1.RawValue }{asn1.RawValue{FullBytes: []byte(c.raw)}})
		require.NoError(t, err)
		out.TBS.List = append(out.TBS.List, asn1.RawValue{FullBytes: single})
	}
	if q.nonce != nil {
		out.TBS.Extensions = append(out.TBS.Extensions, extension(oidNonce, false, q.nonce))
	}
	der, err := asn1.Marshal(out)
	require.NoError(t, err)
	return der
}

// FuzzPath: from a path comes nothing, or what some end of it is the base64 of.
func FuzzPath(f *testing.F) {
	if seeds, _ := filepath.Glob(filepath.Join("testdata", "fuzz", f.Name(), "*")); len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, path string) {
		der := fromPath(path)
		if der == nil {
			return
		}
		require.EqualValues(t, 0x30, der[0])
		for _, s := range spellings(der) {
			require.Equal(t, der, fromPath("/ocsp/"+s))
		}
	})
}
