package server

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// challenge answers POST-as-GET, and has the challenge validated (RFC 8555, section 7.5.1).
func (c *call) challenge() error {
	if !validID(c.args[0]) {
		return acme.ErrNotFound
	}
	kind := acme.ChallengeType(c.args[1])
	if len(c.m.Payload) == 0 {
		a, err := c.loadAuthorization()
		if err != nil {
			return err
		}
		return c.answerChallenge(a, kind)
	}
	var q struct{} // what else there may be is for the validator
	if err := c.m.Decode(&q); err != nil {
		return err
	}
	a, remembered, err := c.authorizationSeen()
	if err != nil {
		return err
	}
	for range attempts {
		if err := c.mine(a.Account, a.Provisioner); err != nil {
			return err
		}
		changed, err := c.begin(a, kind)
		if err != nil {
			return err
		}
		if changed == nil { // it is under way, or has ended: nothing changes
			if remembered {
				if a, err = c.loadAuthorization(); err != nil {
					return err
				}
			}
			if err := c.spendOnce(); err != nil {
				return err
			}
			return c.answerChallenge(a, kind)
		}
		err = c.use(func(p *acme.Pass) error { return c.s.c.Store.UpdateAuthorization(c.r.Context(), p, changed) })
		if err == nil {
			c.s.remember(changed)
			return c.answerChallenge(c.s.await(c.lasting(), c.ca, &job{authz: changed, kind: kind, account: c.account}).authz, kind)
		}
		if !errors.Is(err, acme.ErrConflict) && !errors.Is(err, acme.ErrNotFound) {
			return err
		}
		if a, err = c.s.c.Store.Authorization(c.r.Context(), nil, a.ID); err != nil {
			return err
		}
		remembered = false
	}
	return acme.ErrConflict
}

// authorizationSeen returns the authorization as it was seen lately, if it was: what is done with it fails if it has
// changed since. Otherwise it reads it, and spends the nonce.
func (c *call) authorizationSeen() (a *acme.Authorization, remembered bool, err error) {
	if k, ok := c.s.recent.get(c.args[0]); ok && k.authz != nil {
		return k.authz, true, nil
	}
	a, err = c.loadAuthorization()
	return a, false, err
}

// begin returns the authorization with the challenge to be validated; nil if there is nothing to begin.
func (c *call) begin(a *acme.Authorization, kind acme.ChallengeType) (*acme.Authorization, error) {
	ch := a.Challenge(kind)
	if ch == nil || c.s.validators[kind] == nil {
		return nil, acme.ErrNotFound
	}
	now := time.Now()
	if ch.Status != acme.Pending {
		return nil, nil
	}
	if st := a.State(now); st != acme.Pending {
		return nil, problem(acme.Malformed, 0, "the authorization is %s", st)
	}
	if !a.Due.IsZero() {
		return nil, problem(acme.Malformed, 0, "another challenge of the authorization is being validated")
	}
	changed := *a
	changed.Challenges = append([]acme.Challenge(nil), a.Challenges...)
	ch = changed.Challenge(kind)
	ch.Status, ch.RemoteIP = acme.Processing, network(c.address())
	if len(c.m.Payload) > 0 && !bytes.Equal(bytes.TrimSpace(c.m.Payload), []byte("{}")) {
		ch.Payload = bytes.Clone(c.m.Payload)
	}
	changed.Due = now.Add(lease)
	return &changed, nil
}

func (c *call) answerChallenge(a *acme.Authorization, kind acme.ChallengeType) error {
	ch := a.Challenge(kind)
	if ch == nil {
		return acme.ErrNotFound
	}
	if ch.Status == acme.Processing {
		c.w.Header().Set("Retry-After", seconds(pollAfter))
	}
	c.w.Header().Add("Link", "<"+c.link("authz", a.ID)+`>;rel="up"`)
	v := c.challengeOf(a, ch)
	c.w.Header().Set("Location", v.URL)
	return c.answer(http.StatusOK, v)
}
