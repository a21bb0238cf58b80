package acme

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Check refuses what no store can record. Stores call it before anything else: its errors are those of a program.
func (n *NewOrder) Check() error {
	o := n.Order
	if len(n.Authorizations) != len(o.Identifiers) || len(o.Identifiers) == 0 || o.Status != Pending || n.Key == "" {
		return errors.New("acme: an order has a key, is pending, and has an authorization for each identifier")
	}
	seen := make(map[memoryName]bool, len(n.Authorizations))
	for i, a := range n.Authorizations {
		id := o.Identifiers[i]
		name := memoryName{a.Account, a.Identifier, a.Wildcard}
		if a.Status != Pending || a.Account != o.Account || a.Provisioner != o.Provisioner || a.Identifier != id.Base() || a.Wildcard != id.Wildcard() || seen[name] {
			return fmt.Errorf("acme: the authorization for %s is not a pending one of its own", id)
		}
		seen[name] = true
		if err := a.storable(); err != nil {
			return err
		}
	}
	return nil
}

// tooMany says that the account has more pending authorizations than it may.
func (n *NewOrder) tooMany() error {
	return &LimitError{Tally{Key: "pending authorizations of " + n.Order.Account, Limit: n.MaxPending, What: "pending authorizations"}}
}

// storable refuses data that is not JSON.
func (a *Authorization) storable() error {
	for i := range a.Challenges {
		if _, err := json.Marshal(a.Challenges[i].Data); err != nil {
			return fmt.Errorf("acme: data of a challenge: %w", err)
		}
	}
	return nil
}
