package authority

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// What is known about certificates is kept under their issuer's name. So an issuer that came by another name
// would publish CRLs without what was revoked before, which whoever checks them could not tell from the truth.

// renames says which issuer of s has another name in next.
func (s *snapshot) renames(next *snapshot) error {
	for _, i := range s.issuers {
		for _, n := range next.issuers {
			if i.id == n.id && i.Name != n.Name && i.State != Retired && n.State != Retired {
				return renamed(i.Name, n.Name)
			}
		}
	}
	return s.sshRenames(next)
}

func renamed(from, to string) error {
	return fmt.Errorf("authority: issuer %q cannot be called %q: what it has revoked is kept under its name", from, to)
}

// confirmName makes sure that the store knows an issuer by its name, or by none. The store keeps moments, so
// the name is kept as one: a digest of it, in microseconds.
func (a *Authority) confirmName(ctx context.Context, id, name string) *Error {
	key := id + "/" + name
	if _, ok := a.named.Load(key); ok {
		return nil
	}
	sum := sha256.Sum256([]byte(name))
	want := time.UnixMicro(int64(binary.BigEndian.Uint64(sum[:]) >> 14)).UTC()
	mark := "issuer/" + id
	got, err := a.store.Mark(ctx, mark)
	if err == nil && got.IsZero() {
		if err = a.store.SetMark(ctx, mark, want); err == nil {
			got, err = a.store.Mark(ctx, mark) // another node may have been at it
		}
	}
	switch {
	case err != nil:
		return fault("", "looking up the name of an issuer", err)
	case !got.Equal(want):
		return refuse(Conflict, "", "issuer-renamed", "issuer %q has had another name, under which the store keeps what it has revoked", name)
	}
	a.named.Store(key, true)
	return nil
}
