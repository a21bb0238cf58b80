package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
)

// lookUp is step 2: what do we know about them now? With required, nothing is a refusal.
func (p *visit) lookUp(ctx context.Context, required bool) (string, *Error) {
	if p.s.Inventory == nil {
		return "no inventory", nil
	}
	ids := p.grant.Identifiers
	if p.oldRecord != nil && len(p.oldRecord.Identifiers) > 0 {
		ids = p.oldRecord.Identifiers // who asked then is who must still be known now
	}
	if len(ids) == 0 {
		ids = provisioner.IdentifiersOf(p.grant.Subject)
	}
	e, err := p.s.Inventory.Lookup(ctx, query(ids))
	switch {
	case inventoryMisses(err):
		switch {
		case required:
			return "", refuse(Denied, "", "entity-unknown", "%q is not in the inventory", p.grant.Subject)
		case p.oldRecord != nil && p.oldRecord.Entity != "":
			return "", refuse(Denied, "", "entity-removed", "%q is no longer in the inventory", p.oldRecord.Entity)
		}
		return "not in the inventory", nil
	case err != nil:
		return "", &Error{Kind: Unavailable, Code: "inventory", Reason: "the inventory does not answer", Err: err}
	case e == nil:
		return "", refuse(Internal, "", "inventory", "the inventory answered with nothing")
	case !e.Active:
		return "", refuse(Denied, "", "entity-inactive", "%q is not active", e.ID)
	}
	if r := p.oldRecord; r != nil && r.Entity != "" && r.Entity != e.ID {
		return "", refuse(Denied, "", "entity-changed", "the certificate is %q's, and now its name leads to %q", r.Entity, e.ID)
	}
	p.entity = e
	if p.trace == nil {
		return "", nil
	}
	return fmt.Sprintf("%s %q", e.Kind, e.ID), nil
}

func query(ids []provisioner.Identifier) inventory.Query {
	q := inventory.Query{Identifiers: make([]inventory.Identifier, len(ids))}
	for i, id := range ids {
		q.Identifiers[i] = inventory.Identifier(id)
	}
	return q
}

func inventoryMisses(err error) bool { return errors.Is(err, inventory.ErrNotFound) }
