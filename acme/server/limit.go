package server

import (
	"math"
	"net/netip"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// span is what limits are for: so many in an hour, counted from the full hour.
const span = time.Hour

// tally counts towards a limit within the current span. A limit below zero bounds nothing.
func (s *Server) tally(what, key string, limit int) acme.Tally {
	if limit < 0 {
		limit = math.MaxInt32
	}
	begin := time.Now().UTC().Truncate(span)
	return acme.Tally{
		Key: s.c.Name + "/" + key + "/" + begin.Format("2006-01-02T15"), Limit: limit, Until: begin.Add(span), What: what,
	}
}

func (c *call) accountTallies() []acme.Tally {
	return []acme.Tally{c.s.tally("new accounts", "account/"+network(c.address()), c.s.c.Limits.Accounts)}
}

func (c *call) orderTally() acme.Tally {
	return c.s.tally("new orders", "order/"+c.account.ID, c.s.c.Limits.Orders)
}

// failures are what a failed validation counts towards.
func (s *Server) failures(account string, id acme.Identifier, from string) []acme.Tally {
	t := []acme.Tally{s.tally("failed validations for "+id.Value, "failed/"+account+"/"+id.String(), s.c.Limits.FailedValidations)}
	if from != "" {
		t = append(t, s.tally("failed validations", "failed/"+from, s.c.Limits.FailedFromAddress))
	}
	return t
}

func (c *call) address() netip.Addr { return c.s.c.ClientAddress(c.r) }

// network is what counts as one client address: whoever has an IPv6 network has it whole.
func network(a netip.Addr) string {
	if !a.IsValid() {
		return "unknown"
	}
	if a = a.Unmap(); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
