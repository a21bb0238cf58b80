package softkms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/chancery-ca/chancery/kms"
)

// maxFile is the most that is read of a key file.
const maxFile = 1 << 20

// Options says how a Manager comes by passwords.
type Options struct {
	// Password returns the password of the key in the file at path. It is called only for a key that is
	// encrypted or about to be made; an empty password is none. Nil: no key has a password. It must be
	// safe for concurrent use.
	Password func(ctx context.Context, path string) ([]byte, error)

	// Plain lets CreateKey write a key without a password in the clear. The zero value refuses.
	Plain bool
}

// Manager opens and makes keys in files. It holds nothing open and is safe for concurrent use.
type Manager struct{ opts Options }

var _ kms.KeyManager = (*Manager)(nil)

// New returns a Manager.
func New(o Options) *Manager { return &Manager{o} }

// Signer reads the key in a file: [kms.ErrNotFound] when there is none, [kms.ErrPassword] when its
// password is missing or wrong. The file is not looked at again.
func (m *Manager) Signer(ctx context.Context, name string) (kms.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	key, err := Parse(data, func() ([]byte, error) { return m.password(ctx, path) })
	if err != nil {
		return nil, fmt.Errorf("softkms: %s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return kms.FromCrypto(key), nil
}

// CreateKey makes a key and writes it, encrypted, to a new file that only its owner may read. The file
// is there whole and durably, or not at all. It never replaces one: that is [kms.ErrExists]. Without a
// password, and without Options.Plain, it is [kms.ErrPassword].
func (m *Manager) CreateKey(ctx context.Context, name string, alg kms.Algorithm) (kms.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil { // before the work; create decides
		return nil, fmt.Errorf("softkms: %s: %w", path, kms.ErrExists)
	}
	password, err := m.password(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("softkms: %s: %w", path, err)
	}
	if len(password) == 0 && !m.opts.Plain {
		return nil, fmt.Errorf("softkms: %s: a new key needs a password: %w", path, kms.ErrPassword)
	}
	key, err := kms.Generate(alg)
	if err != nil {
		return nil, err
	}
	data, err := Marshal(key, password)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := create(path, data); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = kms.ErrExists
		}
		return nil, fmt.Errorf("softkms: %s: %w", path, err)
	}
	return kms.FromCrypto(key), nil
}

// Close does nothing.
func (m *Manager) Close() error { return nil }

func (m *Manager) password(ctx context.Context, path string) ([]byte, error) {
	if m.opts.Password == nil {
		return nil, nil
	}
	p, err := m.opts.Password(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("asking for the password: %w", err)
	}
	return p, nil
}

// read returns the content of a regular file. Anything else could block for ever.
func read(path string) ([]byte, error) {
	i, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("softkms: %s: %w", path, kms.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("softkms: %w", err)
	}
	if !i.Mode().IsRegular() {
		return nil, fmt.Errorf("softkms: %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("softkms: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("softkms: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("softkms: %s: longer than %d bytes, so not a key", path, maxFile)
	}
	return b, nil
}
