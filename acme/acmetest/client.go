package acmetest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"path"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
)

// What a CA does to a client of its own accord follows. Objects go by the URLs that the client was given. The methods
// fail the test if there is no such object.

// RevokeAccount takes an account from its owner: what it signs from then on is refused as unauthorized.
func (ca *CA) RevokeAccount(url string) {
	ca.t.Helper()
	store := ca.Server.Store()
	ca.change(func(ctx context.Context) error {
		a, err := store.Account(ctx, path.Base(url))
		if err != nil {
			return err
		}
		a.Status = acme.Revoked
		return store.UpdateAccount(ctx, nil, a)
	})
}

// RevokeAuthorization takes back what an account has proved, or was about to: orders that rest on it become invalid, and
// the next one needs a new authorization.
func (ca *CA) RevokeAuthorization(url string) {
	ca.t.Helper()
	store := ca.Server.Store()
	ca.change(func(ctx context.Context) error {
		a, err := store.Authorization(ctx, nil, path.Base(url))
		if err != nil {
			return err
		}
		a.Status, a.Due = acme.Revoked, time.Time{}
		return store.UpdateAuthorization(ctx, nil, a)
	})
}

// FailOrder makes an order invalid, for that reason; nil is a fault of the CA's.
func (ca *CA) FailOrder(url string, why *acme.Problem) {
	ca.t.Helper()
	if why == nil {
		why = &acme.Problem{Type: acme.ServerInternal, Detail: "a fault of this side"}
	}
	store := ca.Server.Store()
	ca.change(func(ctx context.Context) error {
		o, _, err := store.Order(ctx, nil, path.Base(url))
		if err != nil {
			return err
		}
		o.Status, o.Error, o.Due = acme.Invalid, why, time.Time{}
		return store.UpdateOrder(ctx, nil, o)
	})
}

// Revoke revokes a certificate, for a reason of RFC 5280, section 5.3.1. Its renewal information says then that it should
// be replaced at once.
func (ca *CA) Revoke(c *x509.Certificate, reason int) {
	ca.t.Helper()
	ca.change(func(ctx context.Context) error {
		_, err := ca.Authority.Revoke(ctx, &authority.RevokeRequest{
			Serial: authority.SerialOf(c.SerialNumber), Local: true, ReasonCode: reason,
		})
		return err
	})
}

// ExternalKey makes a key that one account can be bound with, under that ID. A CA demands one if its configuration has
// RequireExternalKey.
func (ca *CA) ExternalKey(id string) []byte {
	ca.t.Helper()
	key := make([]byte, 32)
	rand.Read(key) // never fails since Go 1.24
	ca.change(func(ctx context.Context) error {
		return ca.Server.Store().PutExternalKey(ctx, &acme.ExternalKey{
			ID: id, Provisioner: ca.Server.Name(), Key: key, CreatedAt: time.Now(),
		})
	})
	return key
}

// change does something to an object that a request or a validation may be changing, too.
func (ca *CA) change(do func(context.Context) error) {
	ca.t.Helper()
	err := do(context.Background())
	for n := 0; errors.Is(err, acme.ErrConflict) && n < 100; n++ {
		err = do(context.Background())
	}
	if err != nil {
		ca.t.Fatalf("acmetest: %v", err)
	}
}
