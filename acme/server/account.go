package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/event"
)

// accountJSON is the account object (RFC 8555, section 7.1.2).
type accountJSON struct {
	Status   acme.Status     `json:"status"`
	Contacts []string        `json:"contact,omitempty"`
	Agreed   bool            `json:"termsOfServiceAgreed,omitempty"`
	External json.RawMessage `json:"externalAccountBinding,omitempty"`
	Orders   string          `json:"orders"`
}

func (c *call) answerAccount(status int, a *acme.Account) error {
	c.w.Header().Set("Location", a.URL)
	return c.answer(status, accountJSON{Status: a.Status, Contacts: a.Contacts, Agreed: a.Agreed, Orders: a.URL + "/orders"})
}

// accountRequest is what newAccount and an update may say.
type accountRequest struct {
	Contacts *[]string       `json:"contact"`
	Agreed   *bool           `json:"termsOfServiceAgreed"`
	Existing bool            `json:"onlyReturnExisting"`
	External json.RawMessage `json:"externalAccountBinding"`
	Status   acme.Status     `json:"status"`
}

// newAccount finds or makes the account of the key that signed the request (RFC 8555, sections 7.3 and 7.3.1).
func (c *call) newAccount() error {
	var q accountRequest
	if err := c.m.Decode(&q); err != nil {
		return err
	}
	ctx, store := c.r.Context(), c.s.c.Store
	a, err := store.AccountByKey(ctx, c.s.c.Name, c.m.Key.Thumbprint())
	switch {
	case err == nil:
		if err := c.spend(); err != nil {
			return err
		}
		if a.Status != acme.Valid {
			return problem(acme.Unauthorized, 0, "the account is %s", a.Status)
		}
		return c.answerAccount(http.StatusOK, a)
	case !errors.Is(err, acme.ErrNotFound):
		return err
	case q.Existing:
		if err := c.spend(); err != nil {
			return err
		}
		return problem(acme.AccountDoesNotExist, 0, "there is no account with that key")
	}
	if a, err = c.makeAccount(&q); err != nil {
		return err
	}
	err = c.use(func(p *acme.Pass) error { return store.NewAccount(ctx, p, a, c.accountTallies()...) })
	switch {
	case errors.Is(err, acme.ErrExists): // made meanwhile
		if a, err = store.AccountByKey(ctx, c.s.c.Name, c.m.Key.Thumbprint()); err != nil {
			return err
		}
		return c.answerAccount(http.StatusOK, a)
	case errors.Is(err, acme.ErrKey):
		return problem(acme.Unauthorized, 0, "the external account key cannot be used any more")
	case err != nil:
		return err
	}
	c.tellAccount(event.AccountCreated, a)
	return c.answerAccount(http.StatusCreated, a)
}

// makeAccount judges what a new account says about itself.
func (c *call) makeAccount(q *accountRequest) (*acme.Account, error) {
	f := &c.s.c
	jwk, err := c.m.Key.MarshalJSON()
	if err != nil {
		return nil, err
	}
	id := newID()
	a := &acme.Account{
		ID: id, Provisioner: f.Name, URL: c.link("account", id), Key: jwk, Thumbprint: c.m.Key.Thumbprint(), Status: acme.Valid, CreatedAt: time.Now(),
	}
	if q.Contacts != nil {
		a.Contacts = *q.Contacts
	}
	if err := c.checkContacts(a.Contacts); err != nil {
		return nil, err
	}
	a.Agreed = q.Agreed != nil && *q.Agreed
	if f.TermsOfService != "" && !a.Agreed {
		return nil, &acme.Problem{Type: acme.UserActionRequired, Detail: "the terms of service must be agreed to", Instance: f.TermsOfService}
	}
	if len(q.External) > 0 && string(q.External) != "null" {
		if a.Binding, err = c.bind(q.External); err != nil {
			return nil, err
		}
	} else if f.RequireExternalKey {
		return nil, problem(acme.ExternalAccountRequired, 0, "accounts need an external account binding")
	}
	return a, nil
}

// bind verifies an external account binding, and returns the ID of its key. That the key is used once is for the store
// to see to, when it records the account.
func (c *call) bind(field []byte) (string, error) {
	b, err := c.m.Binding(field)
	if err != nil {
		return "", err
	}
	refused := problem(acme.Unauthorized, 0, "the external account binding is not accepted") // the same for keys that are not there
	k, err := c.s.c.Store.ExternalKey(c.r.Context(), c.s.c.Name, b.KeyID)
	if errors.Is(err, acme.ErrNotFound) {
		return "", refused
	} else if err != nil {
		return "", err
	}
	if err := b.Verify(k.Key); err != nil {
		if p, ok := errors.AsType[*acme.Problem](err); ok && p.Type == acme.Unauthorized {
			return "", refused
		}
		return "", err
	}
	if !k.Usable(time.Now()) {
		return "", problem(acme.Unauthorized, 0, "the external account key was used, has expired, or was revoked")
	}
	return k.ID, nil
}

const (
	maxContacts = 10
	maxContact  = 320
)

// checkContacts takes mailto URLs with one plain address each (RFC 8555, section 7.3). A bare address becomes one.
func (c *call) checkContacts(contacts []string) error {
	if len(contacts) > maxContacts {
		return problem(acme.InvalidContact, 0, "an account has %d contacts at most", maxContacts)
	}
	if c.s.c.RequireContact && len(contacts) == 0 {
		return problem(acme.InvalidContact, 0, "an account needs a contact")
	}
	for i, s := range contacts {
		if strings.Contains(s, "@") && !strings.Contains(s, ":") {
			s = "mailto:" + s // what step's clients send
			contacts[i] = s
		}
		scheme, rest, ok := strings.Cut(s, ":")
		if !ok || len(s) > maxContact || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return problem(acme.InvalidContact, 0, "a contact is a URL of visible ASCII characters, %d at most", maxContact)
		}
		if !strings.EqualFold(scheme, "mailto") {
			return problem(acme.UnsupportedContact, 0, "contacts are mailto URLs")
		}
		if a, err := mail.ParseAddress(rest); err != nil || a.Address != rest || strings.ContainsAny(rest, "?,%") {
			return problem(acme.InvalidContact, 0, "a mailto contact has one address, and nothing else")
		}
	}
	return nil
}

// own returns a problem unless the account of the request is the one whose URL it was sent to.
func (c *call) own() error {
	if c.account.ID != c.args[0] {
		return problem(acme.Unauthorized, 0, "that is another account")
	}
	return nil
}

// updateAccount answers POST-as-GET, and changes contacts, consent and status (RFC 8555, sections 7.3.2, 7.3.3 and 7.3.6).
func (c *call) updateAccount() error {
	if err := c.own(); err != nil {
		return err
	}
	ctx, store := c.r.Context(), c.s.c.Store
	if len(c.m.Payload) == 0 {
		if err := c.spend(); err != nil {
			return err
		}
		return c.answerAccount(http.StatusOK, c.account)
	}
	var q accountRequest
	if err := c.m.Decode(&q); err != nil {
		return err
	}
	if q.Status != "" && q.Status != acme.Deactivated && q.Status != acme.Valid {
		return problem(acme.Malformed, 0, "an account's status can become deactivated, and nothing else")
	}
	if q.Contacts != nil {
		if err := c.checkContacts(*q.Contacts); err != nil {
			return err
		}
	}
	for range attempts {
		a := *c.account
		kind := event.AccountUpdated
		if q.Contacts != nil {
			a.Contacts = slices.Clone(*q.Contacts)
		}
		if q.Agreed != nil && *q.Agreed {
			a.Agreed = true
		}
		if q.Status == acme.Deactivated {
			a.Status, kind = acme.Deactivated, event.AccountDeactivated
		}
		if a.Status == c.account.Status && a.Agreed == c.account.Agreed && slices.Equal(a.Contacts, c.account.Contacts) {
			if err := c.spendOnce(); err != nil { // nothing changes
				return err
			}
			return c.answerAccount(http.StatusOK, c.account)
		}
		err := c.use(func(p *acme.Pass) error { return store.UpdateAccount(ctx, p, &a) })
		if errors.Is(err, acme.ErrConflict) {
			if err := c.identify(true); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		c.s.accounts.drop(a.ID)
		c.tellAccount(kind, &a)
		return c.answerAccount(http.StatusOK, &a)
	}
	return acme.ErrConflict
}

// attempts is how often something is tried again that somebody else has changed meanwhile.
const attempts = 10

// spendOnce spends the nonce unless it was spent.
func (c *call) spendOnce() error {
	if c.pass == nil {
		return nil
	}
	return c.spend()
}

// ordersJSON is the list of an account's orders (RFC 8555, section 7.1.2.1).
type ordersJSON struct {
	Orders []string `json:"orders"`
}

// orders lists the account's newest orders that are not invalid.
func (c *call) orders() error {
	if err := c.own(); err != nil {
		return err
	}
	if err := c.m.PostAsGet(); err != nil {
		return err
	}
	var ids []string
	err := c.use(func(p *acme.Pass) (err error) {
		ids, _, err = c.s.c.Store.Orders(c.r.Context(), p, c.account.ID, time.Now(), "", maxOrders)
		return err
	})
	if err != nil {
		return err
	}
	list := ordersJSON{Orders: make([]string, 0, len(ids))}
	for _, id := range ids {
		list.Orders = append(list.Orders, c.link("order", id))
	}
	return c.answer(http.StatusOK, list)
}

// maxOrders is how many orders a list has, the newest ones.
const maxOrders = 1000
