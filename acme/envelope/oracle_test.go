package envelope

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	client "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme"
)

// fixedNonce is a nonce of go-jose's signer.
type fixedNonce string

func (n fixedNonce) Nonce() (string, error) { return string(n), nil }

// TestGoJOSE reads what go-jose writes, under each algorithm.
func TestGoJOSE(t *testing.T) {
	for _, alg := range Algorithms() {
		signer, key := keys()[alg], keyOf(t, keys()[alg])
		require.Contains(t, key.Algorithms(), alg)
		for _, embed := range []bool{true, false} {
			o := &jose.SignerOptions{NonceSource: fixedNonce("AAAA"), EmbedJWK: embed}
			k := jose.JSONWebKey{Key: signer, KeyID: account}
			if embed {
				k.KeyID = ""
			}
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: k}, o.WithHeader("url", where))
			require.NoError(t, err)
			signed, err := s.Sign([]byte("{}"))
			require.NoError(t, err)
			r, err := Parse([]byte(signed.FullSerialize()), where)
			require.NoError(t, err)
			require.Equal(t, "AAAA", r.Nonce)
			require.Equal(t, alg, r.Algorithm)
			var m *Message
			if embed {
				require.Empty(t, r.KeyID)
				require.True(t, r.Key.Equal(key))
				m, err = r.Verify(nil)
			} else {
				require.Equal(t, account, r.KeyID)
				require.Nil(t, r.Key)
				m, err = r.Verify(key)
			}
			require.NoError(t, err, alg)
			require.Equal(t, "{}", string(m.Payload))
			require.Equal(t, r.KeyID, m.KeyID)
		}
		sum, err := (&jose.JSONWebKey{Key: signer.Public()}).Thumbprint(crypto.SHA256)
		require.NoError(t, err)
		require.Equal(t, b64(sum), key.Thumbprint())
	}
}

// server is as much of an ACME server as golang.org/x/crypto's client needs for accounts.
type server struct {
	t       *testing.T
	base    string
	nonces  *node
	key     *Key // of the one account
	mac     []byte
	refused []*acme.Problem
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.nonces.Offer(w.Header())
	if r.Method != http.MethodPost {
		if r.URL.Path == "/directory" {
			s.answer(w, http.StatusOK, map[string]string{"newNonce": s.base + "/nonce", "newAccount": s.base + "/account", "newOrder": s.base + "/order",
				"newAuthz": s.base + "/authz", "revokeCert": s.base + "/revoke", "keyChange": s.base + "/key"})
		}
		return
	}
	err := s.post(w, r)
	if p, ok := errors.AsType[*acme.Problem](err); ok {
		s.refused = append(s.refused, p)
		w.Header().Set("Content-Type", "application/problem+json")
		s.answer(w, p.HTTPStatus(), p)
		return
	}
	if err != nil {
		s.t.Error(err)
	}
}

func (s *server) answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.t.Error(err)
	}
}

func (s *server) post(w http.ResponseWriter, hr *http.Request) error {
	if err := CheckContentType(hr.Header); err != nil {
		return err
	}
	r, err := Read(hr.Body, s.base+hr.URL.Path)
	if err != nil {
		return err
	}
	if err := s.nonces.Check(r); err != nil {
		return err
	}
	var own *Key
	if r.Key == nil {
		own = s.key
	}
	m, err := r.Verify(own)
	if err != nil {
		return err
	}
	if err := s.nonces.spend(m); err != nil {
		return err
	}
	switch hr.URL.Path {
	case "/account":
		return s.newAccount(w, m)
	case "/key":
		c, err := m.KeyChange()
		if err != nil {
			return err
		}
		s.key = c.NewKey
		s.answer(w, http.StatusOK, map[string]string{"status": "valid"})
	case "/account/1":
		if err := m.PostAsGet(); err == nil {
			s.answer(w, http.StatusOK, map[string]string{"status": "valid"})
			return nil
		}
		var c struct{ Status string }
		if err := m.Decode(&c); err != nil {
			return err
		}
		s.answer(w, http.StatusOK, map[string]string{"status": "deactivated"})
	}
	return nil
}

func (s *server) newAccount(w http.ResponseWriter, m *Message) error {
	var c struct {
		Only    bool            `json:"onlyReturnExisting"`
		Binding json.RawMessage `json:"externalAccountBinding"`
	}
	if err := m.Decode(&c); err != nil {
		return err
	}
	w.Header().Set("Location", s.base+"/account/1")
	if c.Only {
		s.answer(w, http.StatusOK, map[string]string{"status": "valid"})
		return nil
	}
	b, err := m.Binding(c.Binding)
	if err != nil {
		return err
	}
	if b.KeyID != "customer-1" {
		s.t.Errorf("key %q", b.KeyID)
	}
	if err := b.Verify(s.mac); err != nil {
		return err
	}
	s.key = m.Key
	s.answer(w, http.StatusCreated, map[string]string{"status": "valid"})
	return nil
}

// TestClient runs golang.org/x/crypto's client through what there is about accounts.
func TestClient(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.RS256} {
		nonces, err := NewNonces(NonceConfig{Secrets: [][]byte{bytes.Repeat([]byte{1}, 32)}})
		require.NoError(t, err)
		s := &server{t: t, nonces: &node{nonces, acme.NewMemory()}, mac: bytes.Repeat([]byte{2}, 32)}
		h := httptest.NewServer(s)
		defer h.Close()
		s.base = h.URL
		ctx := context.Background()
		c := &client.Client{Key: keys()[alg], DirectoryURL: h.URL + "/directory", HTTPClient: h.Client()}

		wrong := &client.ExternalAccountBinding{KID: "customer-1", Key: bytes.Repeat([]byte{3}, 32)}
		_, err = c.Register(ctx, &client.Account{ExternalAccountBinding: wrong}, client.AcceptTOS)
		var ce *client.Error
		require.ErrorAs(t, err, &ce)
		require.Equal(t, "urn:ietf:params:acme:error:unauthorized", ce.ProblemType)

		right := &client.ExternalAccountBinding{KID: "customer-1", Key: s.mac}
		_, err = c.Register(ctx, &client.Account{ExternalAccountBinding: right}, client.AcceptTOS)
		require.NoError(t, err)
		thumbprint, err := client.JWKThumbprint(keys()[alg].Public())
		require.NoError(t, err)
		require.Equal(t, thumbprint, s.key.Thumbprint())
		require.Equal(t, thumbprint, mustKey(t, s.key).Thumbprint())

		next := keys()[jose.ES256]
		if alg == jose.ES256 {
			next = keys()[jose.ES384]
		}
		require.NoError(t, c.AccountKeyRollover(ctx, next))
		require.True(t, s.key.Equal(keyOf(t, next)))
		_, err = c.GetReg(ctx, "")
		require.NoError(t, err)
		require.NoError(t, c.DeactivateReg(ctx))
		require.Len(t, s.refused, 1)
		h.Close()
	}
}

// TestClientWithOldNonce wants the client to try again with the nonce that came with the refusal.
func TestClientWithOldNonce(t *testing.T) {
	nonces, err := NewNonces(NonceConfig{Secrets: [][]byte{bytes.Repeat([]byte{1}, 32)}})
	require.NoError(t, err)
	s := &server{t: t, nonces: &node{nonces, acme.NewMemory()}, mac: bytes.Repeat([]byte{2}, 32), key: keyOf(t, edKey)}
	h := httptest.NewServer(s)
	defer h.Close()
	s.base = h.URL
	c := &client.Client{Key: keys()[jose.ES256], DirectoryURL: h.URL + "/directory", HTTPClient: h.Client()}
	_, err = c.Discover(t.Context()) // the client has a nonce now
	require.NoError(t, err)
	nonces.keys[0] = bytes.Repeat([]byte{9}, 32)
	s.key = keyOf(t, keys()[jose.ES256])
	_, err = c.GetReg(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, s.refused, 1)
	require.Equal(t, acme.BadNonce, s.refused[0].Type)
}

// mustKey writes k and reads it again.
func mustKey(t testing.TB, k *Key) *Key {
	t.Helper()
	b, err := json.Marshal(k)
	require.NoError(t, err)
	again, err := ParseKey(b)
	require.NoError(t, err)
	require.True(t, k.Equal(again))
	return again
}
