package envelope_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/envelope"
)

type nonce string

func (n nonce) Nonce() (string, error) { return string(n), nil }

// request is a client's.
func request(n, url string) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err.Error()
	}
	o := &jose.SignerOptions{NonceSource: nonce(n), EmbedJWK: true}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, o.WithHeader("url", url))
	if err != nil {
		return err.Error()
	}
	signed, err := s.Sign([]byte(`{"termsOfServiceAgreed":true}`))
	if err != nil {
		return err.Error()
	}
	return signed.FullSerialize()
}

func Example() {
	secret := make([]byte, 32)
	rand.Read(secret)
	nonces, err := envelope.NewNonces(envelope.NonceConfig{Secrets: [][]byte{secret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := acme.NewMemory()
	newAccount := func(body string) error {
		r, err := envelope.Read(strings.NewReader(body), "https://ca.example/acme/new-account")
		if err != nil {
			return err
		}
		if err := nonces.Check(r); err != nil {
			return err
		}
		m, err := r.Verify(nil) // a request that brings its key
		if err != nil {
			return err
		}
		id, until, err := nonces.Ticket(m)
		if err != nil {
			return err
		}
		if err := store.Spend(context.Background(), &acme.Pass{Nonce: id, Until: until}); err != nil {
			return &acme.Problem{Type: acme.BadNonce, Detail: "the nonce was used before", Cause: err}
		}
		var account struct {
			Agreed bool `json:"termsOfServiceAgreed"`
		}
		if err := m.Decode(&account); err != nil {
			return err
		}
		fmt.Println("agreed:", account.Agreed, r.Algorithm)
		return nil
	}

	body := request(nonces.New(), "https://ca.example/acme/new-account")
	fmt.Println(newAccount(body))
	err = newAccount(body)
	p, _ := errors.AsType[*acme.Problem](err)
	fmt.Println(err, p.HTTPStatus())
	fmt.Println(newAccount(request(nonces.New(), "https://ca.example/acme/key-change")))
	// Output:
	// agreed: true ES256
	// <nil>
	// acme: badNonce: the nonce was used before 400
	// acme: unauthorized: the url in the request is not the one it was sent to
}
