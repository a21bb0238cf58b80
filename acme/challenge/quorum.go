package challenge

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/chancery-ca/chancery/acme"
)

// Quorum is a validator that looks from several places: a domain that was taken over on the way to one of them
// is not on the way to all. The first validator must succeed; of the others, at most so many may fail.
type Quorum struct {
	here    acme.Validator
	remotes []acme.Validator
	failing int
}

// NewQuorum returns the validator. All of them are of one type. The remote ones may be anything that implements
// [acme.Validator], such as clients of services that run elsewhere.
func NewQuorum(failing int, here acme.Validator, remotes ...acme.Validator) (*Quorum, error) {
	if here == nil || len(remotes) == 0 || failing < 0 || failing >= len(remotes) {
		return nil, errors.New("challenge: a quorum has a validator here, remote ones, and fewer that may fail than those")
	}
	for _, r := range remotes {
		if r == nil || r.Type() != here.Type() {
			return nil, errors.New("challenge: the validators of a quorum are of one type")
		}
	}
	return &Quorum{here, append([]acme.Validator(nil), remotes...), failing}, nil
}

// Type returns the type of all of them.
func (q *Quorum) Type() acme.ChallengeType { return q.here.Type() }

// Offers is true if all of them do.
func (q *Quorum) Offers(id acme.Identifier) bool {
	for _, r := range q.remotes {
		if !r.Offers(id) {
			return false
		}
	}
	return q.here.Offers(id)
}

// Validate implements [acme.Validator]. It asks here first, so that a challenge nobody has answered costs one
// look, and then everywhere else at once. Its evidence is what was found here; its problem, the first that is
// one, has the others as causes.
func (q *Quorum) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	e, err := q.here.Validate(ctx, c)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(q.remotes))
	var g errgroup.Group
	for i, r := range q.remotes {
		g.Go(func() error {
			mine := *c // nobody is to change what another one is looking at
			if ev, err := r.Validate(ctx, &mine); err != nil || ev == nil {
				errs[i] = errors.Join(err, errElsewhere)
			}
			return nil
		})
	}
	_ = g.Wait() // each has its own entry in errs
	if err := q.count(errs, c); err != nil {
		return nil, err
	}
	return e, nil
}

var errElsewhere = errors.New("not validated from a remote vantage point")

// count returns nil if few enough failed.
func (q *Quorum) count(errs []error, c *acme.Validation) error {
	failed, all := 0, errors.Join(errs...)
	var p *acme.Problem
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		if found, ok := errors.AsType[*acme.Problem](err); ok && p == nil {
			p = found
		}
	}
	switch {
	case failed <= q.failing:
		return nil
	case p == nil:
		return fmt.Errorf("challenge: %d of %d vantage points: %w", failed, len(errs), all)
	}
	return &acme.Problem{Type: p.Type, Detail: fmt.Sprintf("%s: other places on the network do not see what is seen here", c.Identifier.Value), Cause: all}
}
