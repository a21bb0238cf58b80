package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/envelope"
	"github.com/chancery-ca/chancery/authority"
)

// validate has a challenge checked that is Processing, as often as it takes, and records what came of it. It returns
// the authorization as it is then, or as it was if that is not known.
func (s *Server) validate(ctx context.Context, ca *authority.Authority, j *job) *acme.Authorization {
	a := j.authz
	for {
		attempt, cancel := context.WithTimeout(ctx, lease*4/5)
		e, err := s.look(attempt, a, j)
		cancel()
		next, again := s.judge(a, j.kind, e, err)
		var tallies []acme.Tally
		if ch := next.Challenge(j.kind); ch.Status == acme.Invalid {
			tallies = s.failures(a.Account, a.Identifier, ch.RemoteIP)
		}
		if err := s.c.Store.UpdateAuthorization(ctx, nil, next, tallies...); err != nil {
			if !errors.Is(err, acme.ErrConflict) { // it was deactivated, or somebody else has it
				s.c.Logger.ErrorContext(ctx, "acme: validation not recorded", "authorization", a.ID, "error", err)
			}
			s.recent.drop(a.ID)
			return a
		}
		s.remember(next)
		a = next
		if again == 0 {
			if a.Due.IsZero() {
				tellChallenge(ctx, ca, a, a.Challenge(j.kind))
			}
			return a
		}
		select {
		case <-time.After(again):
		case <-ctx.Done(): // it stays Processing, and Due
			return a
		}
	}
}

// look asks the validator.
func (s *Server) look(ctx context.Context, a *acme.Authorization, j *job) (e *acme.Evidence, err error) {
	defer func() {
		if v := recover(); v != nil { // of somebody else's code
			err = fmt.Errorf("acme/server: validator of %s panicked: %s", j.kind, debug.Stack())
		}
	}()
	v, ch := s.validators[j.kind], a.Challenge(j.kind)
	if v == nil || ch == nil {
		return nil, problem(acme.Malformed, 0, "the challenge is not offered any more")
	}
	if j.account == nil {
		if j.account, err = s.c.Store.Account(ctx, a.Account); err != nil {
			return nil, err
		}
	}
	key, err := envelope.ParseKey(j.account.Key)
	if err != nil {
		return nil, err
	}
	return v.Validate(ctx, &acme.Validation{
		Identifier: a.Identifier, Wildcard: a.Wildcard, Token: ch.Token, KeyAuthorization: key.Authorization(ch.Token), Thumbprint: key.Thumbprint(),
		AccountURL: j.account.URL, Issuers: s.c.CAA, Payload: ch.Payload,
	})
}

// judge returns the authorization as it is after an attempt, and how long to wait before another one; 0 is none.
func (s *Server) judge(a *acme.Authorization, kind acme.ChallengeType, e *acme.Evidence, err error) (*acme.Authorization, time.Duration) {
	now := time.Now()
	next := *a
	next.Challenges = append([]acme.Challenge(nil), a.Challenges...)
	ch := next.Challenge(kind)
	ch.Attempts++
	if err == nil && e != nil {
		next.Status, next.Due, next.Expires = acme.Valid, time.Time{}, now.Add(s.c.AuthorizationLife)
		if until, ok := e.Data["persistUntil"].(time.Time); ok && until.Before(next.Expires) {
			next.Expires = until // dns-persist-01
		}
		ch.Status, ch.Validated, ch.Error, ch.Payload = acme.Valid, now, nil, nil
		ch.Address, ch.Data, ch.KeyID = e.Address, e.Data, e.KeyID
		return &next, 0
	}
	p, ok := errors.AsType[*acme.Problem](err)
	if !ok { // a fault of this side: it says nothing about the client
		s.c.Logger.Error("acme: validation failed", "challenge", kind, "identifier", a.Identifier.String(), "error", err)
		if ch.Attempts <= len(s.c.Retries)+maxFaults {
			next.Due = now.Add(lease)
			return &next, 5 * time.Second
		}
		p = problem(acme.ServerInternal, 0, "the challenge could not be validated")
	}
	plain := *p
	plain.Cause, plain.RetryAfter = nil, 0
	ch.Error = &plain
	if nobodyAnswered(p) && ch.Attempts <= len(s.c.Retries) {
		next.Due = now.Add(lease)
		return &next, s.c.Retries[ch.Attempts-1]
	}
	next.Status, next.Due = acme.Invalid, time.Time{}
	ch.Status, ch.Payload = acme.Invalid, nil
	s.c.Logger.Info("acme: challenge failed", "challenge", kind, "identifier", a.Identifier.String(), "problem", p.Type, "detail", p.Detail, "cause", p.Cause)
	return &next, 0
}

// maxFaults is how many faults of this side are tolerated before a challenge is given up.
const maxFaults = 5

// nobodyAnswered reports whether it may be different in a moment: a wrong answer will not be.
func nobodyAnswered(p *acme.Problem) bool {
	return p.Type == acme.Connection || p.Type == acme.DNSProblem || p.Type == acme.TLSProblem
}
