package server

import (
	"errors"
	"net/http"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/event"
)

// keyChange replaces the account's key (RFC 8555, section 7.3.5).
func (c *call) keyChange() error {
	k, err := c.m.KeyChange()
	if err != nil {
		return err
	}
	ctx, store := c.r.Context(), c.s.c.Store
	jwk, err := k.NewKey.MarshalJSON()
	if err != nil {
		return err
	}
	if k.NewKey.Thumbprint() == c.account.Thumbprint {
		c.w.Header().Set("Location", c.account.URL)
		return problem(acme.Malformed, http.StatusConflict, "the account has that key")
	}
	for range attempts {
		a := *c.account
		a.Key, a.Thumbprint = jwk, k.NewKey.Thumbprint()
		err := c.use(func(p *acme.Pass) error { return store.UpdateAccount(ctx, p, &a) })
		switch {
		case errors.Is(err, acme.ErrConflict):
			if err := c.identify(true); err != nil {
				return err
			}
			continue
		case errors.Is(err, acme.ErrExists):
			other, err := store.AccountByKey(ctx, c.s.c.Name, a.Thumbprint)
			if err != nil {
				return err
			}
			c.w.Header().Set("Location", other.URL)
			return problem(acme.Malformed, http.StatusConflict, "another account has that key")
		case err != nil:
			return err
		}
		c.s.accounts.drop(a.ID)
		c.tellAccount(event.AccountKeyChanged, &a)
		return c.answerAccount(http.StatusOK, &a)
	}
	return acme.ErrConflict
}
