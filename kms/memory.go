package kms

import (
	"context"
	"crypto"
	"fmt"
	"sync"
)

// Memory is a KeyManager whose keys live in memory, under any name that is not empty. It is for tests
// and for authorities that end with their process. The zero Memory is ready to use.
type Memory struct {
	mu   sync.Mutex
	keys map[string]crypto.Signer
}

// Signer opens a key that CreateKey made.
func (m *Memory) Signer(ctx context.Context, name string) (Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.keys[name]
	if !ok {
		return nil, fmt.Errorf("kms: %q: %w", name, ErrNotFound)
	}
	return FromCrypto(k), nil
}

// CreateKey makes a key.
func (m *Memory) CreateKey(ctx context.Context, name string, alg Algorithm) (Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fmt.Errorf("kms: a key without a name: %w", ErrUnsupported)
	}
	k, err := Generate(alg)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[name]; ok {
		return nil, fmt.Errorf("kms: %q: %w", name, ErrExists)
	}
	if m.keys == nil {
		m.keys = map[string]crypto.Signer{}
	}
	m.keys[name] = k
	return FromCrypto(k), nil
}

// Close forgets the keys.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = nil
	return nil
}
