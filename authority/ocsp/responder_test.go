package ocsp

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	oracle "golang.org/x/crypto/ocsp"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// A revocation is told by the next answer, whatever was signed and kept before, and the end of a hold, too.
func TestStatuses(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprint("direct=", direct), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{Direct: direct})
				leaf := w.Leaf("a.internal").Leaf
				got := w.says(leaf, w.Intermediate)
				require.Equal(t, oracle.Good, got.Status)
				require.Equal(t, direct, got.Certificate == nil)
				require.Equal(t, 12*time.Hour, got.NextUpdate.Sub(got.ThisUpdate))

				w.revoke(leaf, authority.ReasonCertificateHold)
				got = w.says(leaf, w.Intermediate)
				require.Equal(t, []int{oracle.Revoked, oracle.CertificateHold}, []int{got.Status, got.RevocationReason})
				w.release(leaf)
				require.Equal(t, oracle.Good, w.says(leaf, w.Intermediate).Status)

				time.Sleep(10 * time.Second)
				w.revoke(leaf, 1)
				got = w.says(leaf, w.Intermediate)
				require.Equal(t, []int{oracle.Revoked, oracle.KeyCompromise}, []int{got.Status, got.RevocationReason})
				require.Equal(t, time.Now().Unix(), got.RevokedAt.Unix())
				require.Equal(t, got.RevokedAt, got.ThisUpdate, "it was not known before")

				other := w.Leaf("b.internal").Leaf
				w.revoke(other, 0)
				b, d := open(t, post(w.Responder, question(t, other, w.Intermediate, crypto.SHA1)).Body.Bytes())
				require.Equal(t, direct, len(b.Certificates) == 0)
				var info struct {
					At time.Time `asn1:"generalized"`
				}
				_, err := asn1.UnmarshalWithParams(d.Singles[0].Status.FullBytes, &info, "tag:1")
				require.NoError(t, err)
				require.Len(t, d.Singles[0].Status.Bytes, 17, "reason 0 is left out")
				if direct {
					require.Zero(t, w.spy.issued.Load())
				} else {
					require.EqualValues(t, []int64{1, 0}, []int64{w.spy.issued.Load(), w.spy.direct.Load()})
				}
			})
		})
	}
}

func TestUnknown(t *testing.T) {
	w := newWorld(t, Options{})
	leaf := w.Leaf("a.internal").Leaf
	never := *leaf
	never.SerialNumber = big.NewInt(4711)
	require.Equal(t, oracle.Unknown, w.says(&never, w.Intermediate).Status)
	reserved := &authority.Record{
		Serial: "1267", Issuer: "intermediate", NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), ReservedAt: time.Now(), TBS: []byte{1},
	}
	require.NoError(t, w.Store.Reserve(t.Context(), reserved, provisioner.Spend{}))
	res := post(w.Responder, question(t, &never, w.Intermediate, crypto.SHA1))
	require.Equal(t, oracle.Unknown, w.parsed(res.Body.Bytes(), &never, w.Intermediate).Status)
	require.Equal(t, "no-store", res.Header().Get("Cache-Control"))
	require.Empty(t, res.Header().Get("Etag"))
	require.Zero(t, w.cache.len(), "what is unknown now may be issued in a moment")
	require.NoError(t, w.Store.Commit(t.Context(), "1267", []byte{1}, time.Now(), nil))
	require.Equal(t, oracle.Good, w.says(&never, w.Intermediate).Status)

	for name, serial := range map[string]*big.Int{
		"zero": big.NewInt(0), "negative": big.NewInt(-5), "long": new(big.Int).Lsh(big.NewInt(1), 2000),
	} {
		der := edit(t, question(t, leaf, w.Intermediate, crypto.SHA1), func(q *wireRequest) { q.TBS.List[0].ID.Serial = serial })
		_, d := open(t, post(w.Responder, der).Body.Bytes())
		require.Equal(t, 2, d.Singles[0].Status.Tag, name)
		require.Zero(t, d.Singles[0].ID.Serial.Cmp(serial))
	}
	// One that was given up is known, and revoked.
	gone := &authority.Record{
		Serial: "99", Issuer: "intermediate", NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), ReservedAt: time.Now(), TBS: []byte{1},
	}
	require.NoError(t, w.Store.Reserve(t.Context(), gone, provisioner.Spend{}))
	require.NoError(t, w.Store.Abandon(t.Context(), "99", false, time.Now(), nil))
	never.SerialNumber = big.NewInt(0x99)
	require.Equal(t, oracle.Revoked, w.says(&never, w.Intermediate).Status)
}

// Issuers are told apart by name and key together: one with the name of another, and one with its key.
func TestIssuersThatLookAlike(t *testing.T) {
	key := newKey(t)
	twin, alias := root(t, "Test Intermediate CA", key, 1), root(t, "Alias", key, 2)
	w := newWorld(t, Options{}, more("twin", twin, key), more("alias", alias, key))
	issuers := map[string]*x509.Certificate{"": w.Intermediate, "twin": twin, "alias": alias}
	for profile, issuer := range issuers {
		leaf := w.leafOf(profile)
		w.revoke(w.leafOf(profile), 1)
		for other, of := range issuers {
			for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
				got := w.parsed(post(w.Responder, question(t, leaf, of, h)).Body.Bytes(), leaf, of)
				want := oracle.Unknown
				if other == profile {
					want = oracle.Good
				}
				require.Equal(t, want, got.Status, "certificate of %q, asked of %q", profile, other)
				require.Equal(t, of.RawSubject, got.Certificate.RawIssuer)
			}
		}
		staple, err := w.Staple(t.Context(), leaf)
		require.NoError(t, err)
		require.Equal(t, oracle.Good, w.parsed(staple, leaf, issuer).Status)
	}
	require.EqualValues(t, 3, w.spy.issued.Load(), "each has a responder of its own")

	foreign := root(t, "Test Intermediate CA", newKey(t), 3)
	require.Equal(t, Unauthorized, refused(t, post(w.Responder, question(t, foreign, foreign, crypto.SHA1))))
	other := root(t, "Nobody", key, 4)
	require.Equal(t, Unauthorized, refused(t, post(w.Responder, question(t, other, other, crypto.SHA256))))
	require.Equal(t, Unauthorized, refused(t, post(w.Responder, question(t, twin, twin, crypto.SHA512))))
	_, err := w.Staple(t.Context(), foreign)
	require.ErrorIs(t, err, ErrUnknown)
}

func TestSeveralAtOnce(t *testing.T) {
	key := newKey(t)
	second := root(t, "Second", key, 1)
	w := newWorld(t, Options{}, more("second", second, key))
	a, b, c := w.leafOf(""), w.leafOf(""), w.leafOf("second")
	w.revoke(b, 4)
	ask := func(certs ...[2]*x509.Certificate) []byte {
		var all wireRequest
		for i, p := range certs {
			var q wireRequest
			unmarshal(t, question(t, p[0], p[1], []crypto.Hash{crypto.SHA1, crypto.SHA256}[i%2]), &q)
			all.TBS.List = append(all.TBS.List, q.TBS.List...)
		}
		der, err := asn1.Marshal(all)
		require.NoError(t, err)
		return der
	}
	tags := func(der []byte) (out []int) {
		_, d := open(t, post(w.Responder, der).Body.Bytes())
		for _, s := range d.Singles {
			out = append(out, s.Status.Tag)
		}
		return out
	}
	of := w.Intermediate
	both := ask([2]*x509.Certificate{a, of}, [2]*x509.Certificate{b, of})
	require.Equal(t, []int{0, 1}, tags(both))
	require.Contains(t, post(w.Responder, both).Header().Get("Cache-Control"), "max-age=")

	foreign := root(t, "Foreign", newKey(t), 9)
	mixed := ask([2]*x509.Certificate{foreign, foreign}, [2]*x509.Certificate{c, second}, [2]*x509.Certificate{a, of}, [2]*x509.Certificate{c, second})
	require.Equal(t, []int{2, 0, 2, 0}, tags(mixed), "it speaks for the first one that it can speak for")
	got := w.parsed(post(w.Responder, mixed).Body.Bytes(), c, second)
	require.Equal(t, second.RawSubject, got.Certificate.RawIssuer)
	require.Equal(t, "no-store", post(w.Responder, mixed).Header().Get("Cache-Control"))

	many := make([][2]*x509.Certificate, maxSingles)
	for i := range many {
		many[i] = [2]*x509.Certificate{a, of}
	}
	require.Len(t, tags(ask(many...)), maxSingles)
	require.Equal(t, MalformedRequest, refused(t, post(w.Responder, ask(append(many, many[0])...))))
}

// A CA certificate that was renewed with its key is the same issuer to whoever asks, and so is one that issues
// under another name after the first was retired.
func TestRenewedIssuer(t *testing.T) {
	key := newKey(t)
	old, renewed := root(t, "Second", key, 1), root(t, "Second", key, 2)
	var config authority.Config
	w := newWorld(t, Options{}, more("second", old, key), func(c *authority.Config) { config = *c })
	leaf := w.leafOf("second")
	require.NotNil(t, w.says(leaf, old).Certificate)
	config.Store = nil
	config.Roots = append(config.Roots, renewed)
	for _, state := range []authority.State{authority.Active, authority.Retiring} {
		config.Issuers[1].Chain, config.Issuers[1].State = []*x509.Certificate{renewed}, state
		config.Profiles[0].Issuer = ""
		require.NoError(t, w.Authority.Reconfigure(t.Context(), config))
		require.Equal(t, oracle.Good, w.says(leaf, old).Status, state)
		require.EqualValues(t, 1, w.spy.issued.Load(), "the responder's certificate is good as well")
	}
	res := post(w.Responder, withNonce(t, question(t, leaf, old, crypto.SHA1), []byte("n")))
	require.Nil(t, w.parsed(res.Body.Bytes(), leaf, old).Certificate, "a retiring issuer signs by itself")

	config.Issuers[1].State = authority.Retired
	require.NoError(t, w.Authority.Reconfigure(t.Context(), config))
	require.Equal(t, Unauthorized, refused(t, post(w.Responder, question(t, leaf, old, crypto.SHA256))), "though an answer is at hand")
	again := config.Issuers[1]
	again.Name, again.State = "again", authority.Active
	config.Issuers = append(config.Issuers, again)
	require.NoError(t, w.Authority.Reconfigure(t.Context(), config))
	require.Equal(t, oracle.Good, w.says(leaf, old).Status)
	w.revoke(leaf, 1)
	require.Equal(t, oracle.Revoked, w.says(leaf, old).Status)
	require.NoError(t, w.Authority.Close())
	require.Equal(t, TryLater, refused(t, post(w.Responder, question(t, leaf, w.Intermediate, crypto.SHA256))))
}

func TestNonce(t *testing.T) {
	w := newWorld(t, Options{})
	leaf := w.Leaf("a.internal").Leaf
	plain := question(t, leaf, w.Intermediate, crypto.SHA1)
	for _, n := range []int{1, 16, 32, 127, 128} {
		nonce := make([]byte, n)
		res := post(w.Responder, withNonce(t, plain, nonce))
		require.Equal(t, "no-store", res.Header().Get("Cache-Control"))
		_, d := open(t, res.Body.Bytes())
		require.Len(t, d.Extensions, 1)
		var got []byte
		unmarshal(t, d.Extensions[0].Value, &got)
		require.Equal(t, nonce, got)
		w.parsed(res.Body.Bytes(), leaf, w.Intermediate)
	}
	require.Zero(t, w.cache.len())
	for _, n := range []int{0, 129} {
		require.Equal(t, MalformedRequest, refused(t, post(w.Responder, withNonce(t, plain, make([]byte, n)))))
	}
	w.o.IgnoreNonces = true
	first, second := post(w.Responder, withNonce(t, plain, []byte("1"))), post(w.Responder, withNonce(t, plain, []byte("2")))
	require.Equal(t, first.Body.Bytes(), second.Body.Bytes())
	require.Contains(t, first.Header().Get("Cache-Control"), "max-age=")
}

func TestNewRefuses(t *testing.T) {
	_, err := New(nil, Options{})
	require.Error(t, err)
	_, err = newResponder(&spy{}, Options{Validity: time.Second, Backdate: time.Hour, Timeout: -1, Signing: -1})
	for _, s := range []string{"validity", "backdate", "timeout", "look-ups"} {
		require.ErrorContains(t, err, s)
	}
	_, err = newResponder(&spy{}, Options{Lookups: -1})
	require.ErrorContains(t, err, "-1 look-ups")
	r, err := newResponder(&spy{}, Options{Backdate: -time.Hour})
	require.NoError(t, err)
	require.Zero(t, r.o.Backdate)
}

func TestStatusErrors(t *testing.T) {
	for _, s := range []Status{MalformedRequest, InternalError, TryLater, Unauthorized} {
		require.Equal(t, s, statusOf(fmt.Errorf("wrapped: %w", s)))
		require.NotEmpty(t, s.Error())
		_, err := oracle.ParseResponse(s.der(), nil)
		require.Equal(t, oracle.ResponseError{Status: oracle.ResponseStatus(s)}, err)
	}
	for _, k := range authority.Kinds() {
		want := InternalError
		if k == authority.Unavailable {
			want = TryLater
		}
		require.Equal(t, want, statusOf(&authority.Error{Kind: k}), k)
	}
}
