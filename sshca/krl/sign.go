package krl

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca"
)

// ErrSignature is about a list that is not signed by any of the keys that it should be signed by.
var ErrSignature = errors.New("krl: not signed by a key that is trusted")

// Sign appends a signature to a list in wire form. Keys sign as they sign certificates.
func Sign(ctx context.Context, list []byte, signer kms.Signer) ([]byte, error) {
	key, err := ssh.NewPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	w := writer{bytes.Clone(list)}
	w.b = append(w.b, sectionSignature)
	w.bytes(key.Marshal())
	s, err := sshca.Sign(ctx, signer, w.b)
	if err != nil {
		return nil, err
	}
	if err := key.Verify(w.b, s); err != nil {
		return nil, err
	}
	w.bytes(ssh.Marshal(s))
	return w.b, nil
}

// Verify reads a list that must be signed by one of keys.
func Verify(b []byte, keys ...ssh.PublicKey) (*List, error) {
	l, signers, err := parse(b)
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		if slices.ContainsFunc(keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), s.Marshal()) }) {
			return l, nil
		}
	}
	return nil, ErrSignature
}
