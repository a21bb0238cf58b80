package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// authorizationJSON is the authorization object (RFC 8555, section 7.1.4).
type authorizationJSON struct {
	Identifier acme.Identifier `json:"identifier"`
	Status     acme.Status     `json:"status"`
	Expires    time.Time       `json:"expires"`
	Challenges []challengeJSON `json:"challenges"`
	Wildcard   bool            `json:"wildcard,omitempty"`
}

// challengeJSON is the challenge object (RFC 8555, section 7.1.5).
type challengeJSON struct {
	Type      acme.ChallengeType `json:"type"`
	URL       string             `json:"url"`
	Status    acme.Status        `json:"status"`
	Token     string             `json:"token,omitempty"`
	Validated time.Time          `json:"validated,omitzero"`
	Error     *acme.Problem      `json:"error,omitempty"`

	Issuers []string `json:"issuer-domain-names,omitempty"` // dns-persist-01
	Account string   `json:"accounturi,omitempty"`          // dns-persist-01
}

func (c *call) challengeOf(a *acme.Authorization, ch *acme.Challenge) challengeJSON {
	v := challengeJSON{
		Type: ch.Type, URL: c.link("challenge", a.ID, string(ch.Type)), Status: ch.Status, Token: ch.Token, Error: ch.Error,
	}
	if !ch.Validated.IsZero() {
		v.Validated = ch.Validated.Truncate(time.Second)
	}
	if ch.Type == acme.DNSPersist01 {
		v.Token, v.Issuers, v.Account = "", c.s.c.CAA, c.account.URL
	}
	return v
}

func (c *call) answerAuthorization(a *acme.Authorization) error {
	v := authorizationJSON{Identifier: a.Identifier, Status: a.State(time.Now()), Expires: a.Expires.Truncate(time.Second), Wildcard: a.Wildcard}
	for i := range a.Challenges {
		ch := &a.Challenges[i]
		if a.Status == acme.Valid && ch.Status != acme.Valid || a.Status == acme.Invalid && ch.Status == acme.Pending {
			continue // RFC 8555, section 7.1.4: those that were met, or attempted
		}
		v.Challenges = append(v.Challenges, c.challengeOf(a, ch))
	}
	if v.Challenges == nil {
		v.Challenges = []challengeJSON{}
	}
	if a.Status == acme.Pending && !a.Due.IsZero() {
		c.w.Header().Set("Retry-After", seconds(pollAfter))
	}
	return c.answer(http.StatusOK, v)
}

// newAuthorization makes the authorization that an order rests on if the account has none.
func (s *Server) newAuthorization(o *acme.Order, id acme.Identifier) *acme.Authorization {
	a := &acme.Authorization{
		ID: newID(), Account: o.Account, Provisioner: s.c.Name, Identifier: id.Base(), Wildcard: id.Wildcard(), Status: acme.Pending, Expires: o.Expires,
	}
	token := newToken()
	for _, v := range s.c.Validators {
		if v.Offers(id) {
			a.Challenges = append(a.Challenges, acme.Challenge{Type: v.Type(), Token: token, Status: acme.Pending})
		}
	}
	return a
}

// offers reports whether any challenge is for an identifier.
func (s *Server) offers(id acme.Identifier) bool {
	for _, v := range s.c.Validators {
		if v.Offers(id) {
			return true
		}
	}
	return false
}

// authorization answers POST-as-GET, and deactivates (RFC 8555, sections 7.5 and 7.5.2).
func (c *call) authorization() error {
	if len(c.m.Payload) == 0 {
		a, err := c.loadAuthorization()
		if err != nil {
			return err
		}
		return c.answerAuthorization(a)
	}
	var q struct {
		Status acme.Status `json:"status"`
	}
	if err := c.m.Decode(&q); err != nil {
		return err
	}
	if q.Status != acme.Deactivated {
		return problem(acme.Malformed, 0, "an authorization's status can become deactivated, and nothing else")
	}
	a, err := c.loadAuthorization()
	if err != nil {
		return err
	}
	for range attempts {
		if !a.Live() {
			return problem(acme.Malformed, 0, "the authorization is %s", a.Status)
		}
		changed := *a
		changed.Status, changed.Due = acme.Deactivated, time.Time{}
		err := c.s.c.Store.UpdateAuthorization(c.r.Context(), nil, &changed)
		switch {
		case err == nil:
			c.s.remember(&changed)
			return c.answerAuthorization(&changed)
		case !errors.Is(err, acme.ErrConflict):
			return err
		}
		if a, err = c.s.c.Store.Authorization(c.r.Context(), nil, a.ID); err != nil {
			return err
		}
	}
	return acme.ErrConflict
}

// loadAuthorization reads the one that the request was sent to, which must be the account's own, and spends the nonce.
func (c *call) loadAuthorization() (a *acme.Authorization, err error) {
	if !validID(c.args[0]) {
		return nil, acme.ErrNotFound
	}
	err = c.use(func(p *acme.Pass) (err error) {
		a, err = c.s.c.Store.Authorization(c.r.Context(), p, c.args[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := c.mine(a.Account, a.Provisioner); err != nil {
		return nil, err
	}
	c.s.remember(a)
	return a, nil
}
