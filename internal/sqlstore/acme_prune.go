package sqlstore

import (
	"time"

	"github.com/chancery-ca/chancery/acme"
)

const (
	pruneNonces = `DELETE FROM acme_nonces WHERE id IN (SELECT id FROM acme_nonces WHERE until <= ? ORDER BY until LIMIT ?)`

	pruneTallies = `DELETE FROM acme_tallies WHERE id IN (SELECT id FROM acme_tallies WHERE until <= ? ORDER BY until LIMIT ?)`

	pruneExternalKeys = `DELETE FROM acme_external_keys WHERE (provisioner, id) IN (
		SELECT provisioner, id FROM acme_external_keys WHERE expires <= ? ORDER BY expires LIMIT ?) AND expires <= ?`

	selectEndedOrders = "SELECT seq FROM acme_orders WHERE expires <= ? ORDER BY expires, seq LIMIT ?"
	deleteLinks       = "DELETE FROM acme_links WHERE ord IN %list"
	deleteOrders      = "DELETE FROM acme_orders WHERE seq IN %list"

	// keep is not before the end of any order, so by now nothing rests on these.
	pruneAuthzs = `DELETE FROM acme_authzs WHERE seq IN (SELECT seq FROM acme_authzs WHERE keep <= ? ORDER BY keep, seq LIMIT ?) AND keep <= ?`

	noneOf = " AND NOT EXISTS (SELECT 1 FROM acme_orders o WHERE o.account = a.id) AND NOT EXISTS (SELECT 1 FROM acme_authzs z WHERE z.account = a.id)"

	selectGone     = "SELECT a.id FROM acme_accounts a WHERE a.status <> 2" + noneOf + " ORDER BY a.id LIMIT ?"
	deleteAccounts = "DELETE FROM acme_accounts AS a WHERE a.id IN %list AND a.status <> 2" + noneOf
	deleteKeys     = "DELETE FROM acme_keys WHERE account IN %list AND NOT EXISTS (SELECT 1 FROM acme_accounts a WHERE a.id = acme_keys.account)"
)

// pruner deletes up to a number of rows in one transaction, or in one for each kind of them.
type pruner struct {
	tx   Tx
	now  int64
	left int
	n    int
}

func (p *pruner) took(s *Step) {
	p.n += int(s.N)
	p.left -= int(s.N)
}

func (p *pruner) prune() error {
	kept := p.now - acme.Kept.Microseconds()
	for _, f := range []func() error{
		func() error { return p.some(pruneNonces, p.now, int64(p.left)) },
		func() error { return p.some(pruneTallies, p.now, int64(p.left)) },
		func() error { return p.some(pruneExternalKeys, p.now, int64(p.left), p.now) },
		func() error { return p.orders(kept) },
		func() error { return p.some(pruneAuthzs, kept, int64(p.left), kept) }, // once no such order is left
		p.accounts,
	} {
		if p.left == 0 {
			return nil
		}
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pruner) some(query string, args ...any) error {
	s := &Step{Query: query, Args: args}
	if err := p.tx.Run([]*Step{s}); err != nil {
		return err
	}
	p.took(s)
	return nil
}

// orders are looked up first and deleted by number, so that two that prune at a time do not delete one's links and
// another one's order.
func (p *pruner) orders(kept int64) error {
	var all []int64
	err := p.tx.Query(selectEndedOrders, func(r Row) error {
		all = append(all, r.int(0))
		return nil
	}, kept, int64(p.left))
	if err != nil || len(all) == 0 {
		return err
	}
	in, args := list(all)
	s := &Step{Query: fill(deleteOrders, "%list", in), Args: args}
	if err := p.tx.Run([]*Step{{Query: fill(deleteLinks, "%list", in), Args: args}, s}); err != nil {
		return err
	}
	p.took(s)
	return nil
}

func (p *pruner) accounts() error {
	var all []string
	err := p.tx.Query(selectGone, func(r Row) error {
		all = append(all, r.text(0))
		return nil
	}, int64(p.left))
	if err != nil || len(all) == 0 {
		return err
	}
	in, args := list(all)
	s := &Step{Query: fill(deleteAccounts, "%list", in), Args: args}
	if err := p.tx.Run([]*Step{s, {Query: fill(deleteKeys, "%list", in), Args: args}}); err != nil {
		return err
	}
	p.took(s)
	return nil
}

// pruneInSlices is Prune in several small transactions, each of which write makes and commits.
func pruneInSlices(now time.Time, limit int, write func(func(Tx) error) error) (n int, more bool, err error) {
	if limit <= 0 {
		limit = 1000
	}
	for {
		slice := min(limit-n, pruneSlice)
		var took int
		err := write(func(tx Tx) error {
			p := &pruner{tx: tx, now: now.UnixMicro(), left: slice}
			err := p.prune()
			took = p.n
			return err
		})
		if err != nil {
			return n, false, err
		}
		if n += took; n >= limit || took < slice {
			return n, n >= limit, nil
		}
	}
}
