package server

import (
	"context"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
)

func (c *call) tellAccount(t event.Type, a *acme.Account) {
	c.ca.Tell(c.r.Context(), t, a.ID, event.Account{
		ID: a.ID, Provisioner: a.Provisioner, Thumbprint: a.Thumbprint, Contacts: a.Contacts, ExternalKey: a.Binding,
	})
}

// tellOrder tells of an order; p is what became of it, nil if nothing did.
func tellOrder(ctx context.Context, ca *authority.Authority, t event.Type, o *acme.Order, p *acme.Problem) {
	d := event.Order{ID: o.ID, Provisioner: o.Provisioner, Account: o.Account, Profile: o.Profile, Replaces: o.Replaces}
	for _, id := range o.Identifiers {
		d.Identifiers = append(d.Identifiers, id.String())
	}
	if p != nil {
		d.Problem, d.Detail = string(p.Type), p.Detail
	}
	subject := o.ID
	if subject == "" {
		subject = o.Account
	}
	ca.Tell(ctx, t, subject, d)
}

// tellChallenge tells how a challenge ended.
func tellChallenge(ctx context.Context, ca *authority.Authority, a *acme.Authorization, ch *acme.Challenge) {
	d := event.Challenge{
		Type: string(ch.Type), Provisioner: a.Provisioner, Account: a.Account, Authorization: a.ID,
		Identifier: a.Identifier.String(), Wildcard: a.Wildcard, Address: ch.Address,
	}
	t := event.ChallengePassed
	if ch.Status != acme.Valid {
		t = event.ChallengeFailed
		if ch.Error != nil {
			d.Problem, d.Detail = string(ch.Error.Type), ch.Error.Detail
		}
	}
	ca.Tell(ctx, t, a.ID, d)
}
