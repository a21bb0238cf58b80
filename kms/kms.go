package kms

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"io"
)

// Signer holds one private key, perhaps far away.
//
// Sign follows crypto.Signer: digest is the hash of the message under opts.HashFunc(), or the message
// itself when that is zero (Ed25519). opts is never nil. Sign honours ctx and is safe for concurrent
// use.
type Signer interface {
	Public() crypto.PublicKey
	Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) (signature []byte, err error)
}

// KeyManager opens and makes keys by name. What a name looks like is the manager's matter: usually a
// URI such as "softkms:path=/etc/ca/key.pem" or an absolute path.
type KeyManager interface {
	// Signer opens the key with that name; [ErrNotFound] when there is none.
	Signer(ctx context.Context, name string) (Signer, error)
	// CreateKey makes a key; [ErrExists] when the name is taken.
	CreateKey(ctx context.Context, name string, alg Algorithm) (Signer, error)
	// Close releases what the manager holds. Signers it opened must not be used afterwards.
	Close() error
}

// Errors that every key manager returns; test with errors.Is.
var (
	ErrNotFound    = errors.New("kms: key not found")
	ErrExists      = errors.New("kms: key exists")
	ErrUnsupported = errors.New("kms: not supported")
	ErrPassword    = errors.New("kms: wrong or missing password")
)

// Algorithm names a kind of key.
type Algorithm string

// The algorithms that keys can be made for.
const (
	ECDSAP256 Algorithm = "EC-P256"
	ECDSAP384 Algorithm = "EC-P384"
	ECDSAP521 Algorithm = "EC-P521"
	Ed25519   Algorithm = "Ed25519"
	RSA2048   Algorithm = "RSA-2048"
	RSA3072   Algorithm = "RSA-3072"
	RSA4096   Algorithm = "RSA-4096"
)

// FromCrypto makes a Signer of any crypto.Signer. The context is checked before signing; a
// crypto.Signer cannot be interrupted.
func FromCrypto(s crypto.Signer) Signer { return cryptoSigner{s} }

type cryptoSigner struct{ s crypto.Signer }

func (c cryptoSigner) Public() crypto.PublicKey { return c.s.Public() }

func (c cryptoSigner) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.s.Sign(rand.Reader, digest, opts)
}

// ToCrypto makes a crypto.Signer of s that signs with ctx, for the standard library's APIs.
func ToCrypto(ctx context.Context, s Signer) crypto.Signer { return contextSigner{ctx, s} }

type contextSigner struct {
	ctx context.Context
	s   Signer
}

func (c contextSigner) Public() crypto.PublicKey { return c.s.Public() }

func (c contextSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return c.s.Sign(c.ctx, digest, opts)
}
