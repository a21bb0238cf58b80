package krl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca"
)

// ErrSignature is about a list that is not signed by any of the keys that it should be signed by.
var ErrSignature = errors.New("krl: not signed by a key that is trusted")

var errMismatch = fmt.Errorf("%w: a signature does not match", ErrSignature)

// algorithms are those of signatures that count. SHA-1 is in none of them.
var algorithms = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512}

// Sign appends a signature to a list in wire form. Ed25519, ECDSA and RSA
// keys sign, the last with SHA-512. What is signed is the list so far and the key that signs it, so that several
// may sign (PROTOCOL.krl, section 4).
func Sign(ctx context.Context, list []byte, signer kms.Signer) ([]byte, error) {
	key, err := ssh.NewPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("krl: %w", err)
	}
	w := writer{bytes.Clone(list)}
	w.b = append(w.b, sectionSignature)
	w.bytes(key.Marshal())
	s, err := sshca.Sign(ctx, signer, w.b)
	if err == nil && !slices.Contains(algorithms, s.Format) {
		err = fmt.Errorf("signatures of %s are not for lists", s.Format)
	}
	if err == nil {
		err = key.Verify(w.b, s)
	}
	if err != nil {
		return nil, fmt.Errorf("krl: signing a list: %w", err)
	}
	w.bytes(ssh.Marshal(s))
	return w.b, nil
}

// Verify reads a list that must be signed by one of keys. It is an [ErrSignature] if it is not, as it is for no keys.
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
