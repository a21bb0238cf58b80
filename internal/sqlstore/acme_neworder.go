package sqlstore

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/chancery-ca/chancery/acme"
)

// An order is recorded by one script, in which nothing depends on what was read: its checks take the ticket away from
// its nonce, and then the statements after them do nothing. On a database that lets several write at a time, the
// orders of one account wait for each other, so that what was checked stays so; between accounts, unique keys decide.
const (
	lockAccount = "SELECT c.seq FROM acme_accounts c WHERE c.id = ? /*lock*/"
	lockOpen    = orderColumns + " WHERE c.open_key = ? /*lock*/"
	lockLive    = "SELECT c.seq FROM acme_authzs c WHERE c.name IN %list AND c.live = 1 /*lock*/"

	ifReusable = `EXISTS (SELECT 1 FROM acme_orders o WHERE o.open_key = ? AND o.expires >= ? AND NOT EXISTS (
		SELECT 1 FROM acme_links l CROSS JOIN acme_authzs z WHERE l.ord = o.seq AND z.seq = l.authz AND (z.status NOT IN (0, 2) OR z.expires < ?)))`
	ifKnown    = "(EXISTS (SELECT 1 FROM acme_orders WHERE id = ?) OR EXISTS (SELECT 1 FROM acme_authzs WHERE id IN %list))"
	ifReplaced = "EXISTS (SELECT 1 FROM acme_orders WHERE replaces_key = ? AND (open_key IS NULL OR open_key <> ?))"
	ifTooMany  = `EXISTS (SELECT 1 FROM (SELECT count(*) AS n FROM acme_authzs WHERE name IN %list AND live = 1 AND expires >= ?) u
		WHERE u.n < ? AND u.n < ? + (SELECT count(*) FROM acme_authzs WHERE account = ? AND status = 0 AND expires > ?))`
	ifMissing = "NOT EXISTS (SELECT 1 FROM acme_orders WHERE id = ? AND version = ?)"

	releaseOpen = "UPDATE acme_orders SET open_key = NULL, replaces_key = NULL WHERE open_key = ? AND " + admitted
	insertOrder = `INSERT INTO acme_orders (id, account, provisioner, open_key, replaces_key, status, expires, due, version, fixed, doc)
		SELECT ` + isText + `, ` + isText + `, ` + isText + `, ` + isBytes + `, ` + isBytes + `, 0, ` + isInt + `, ` + isInt + `, ` + isInt + `, ` + isText + `, ` + isText + `
		WHERE ` + admitted + ` ON CONFLICT DO NOTHING`
	releaseLive  = "UPDATE acme_authzs SET live = 0 WHERE name IN %list AND live = 1 AND expires < ? AND " + admitted
	insertAuthzs = `INSERT INTO acme_authzs (id, account, provisioner, name, live, status, expires, needed, keep, due, version, fixed, doc)
		SELECT v.column1, v.column2, v.column3, v.column4, 1, 0, v.column5, v.column6, v.column7, v.column8, v.column9, v.column10, v.column11
		FROM %v WHERE v.column1 IS NOT NULL AND ` + admitted + ` ON CONFLICT DO NOTHING`
	insertLinks = `INSERT INTO acme_links (ord, n, authz) SELECT o.seq, v.column2, z.seq FROM acme_orders o CROSS JOIN %v CROSS JOIN acme_authzs z
		WHERE o.id = ? AND z.name = v.column1 AND z.live = 1 AND ` + admitted
	keepLive = "UPDATE acme_authzs SET needed = ?, keep = CASE WHEN keep < ? THEN ? ELSE keep END WHERE name IN %list AND live = 1 AND needed < ? AND " + admitted

	selectOrderID  = "SELECT 1 FROM acme_orders WHERE id = ?"
	selectReplaces = "SELECT 1 FROM acme_orders WHERE replaces_key = ?"
)

// newOrder is a NewOrder, encoded.
type newOrder struct {
	*acme.NewOrder
	key, replaces   []byte   // digests; replaces is nil for an order that replaces nothing
	names           [][]byte // sorted
	ids             []string // of authorizations
	authzs, links   [][]any  // rows, in the order of names
	order           []any    // of insertOrder, but for the gate
	version         int64
	end             int64 // NotEndingBefore
	tallies, unless *tallies
}

func newNewOrder(n *acme.NewOrder) (*newOrder, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	o := n.Order
	fixed, err := encode("an order", orderFixed{o.Identifiers, micro(o.NotBefore), micro(o.NotAfter), o.Profile, o.Replaces, micro(o.CreatedAt)})
	if err != nil {
		return nil, err
	}
	doc, err := encode("an order", orderDoc{o.Error, o.CSR, o.Attempts})
	if err != nil {
		return nil, err
	}
	c := &newOrder{
		NewOrder: n, key: digest(n.Key), version: fresh(), end: ceilMicro(n.NotEndingBefore),
		tallies: newTallies(n.Tallies), unless: newTallies(n.Unless),
	}
	if o.Replaces != "" {
		c.replaces = digest(o.Provisioner, o.Replaces)
	}
	c.order = []any{o.ID, o.Account, o.Provisioner, c.key, c.replaces, o.Expires.UnixMicro(), optional(o.Due), c.version, fixed, doc}
	for i, a := range n.Authorizations {
		name := nameOf(a.Account, a.Identifier, a.Wildcard)
		fixed, err := encode("an authorization", authzFixed{a.Identifier, a.Wildcard})
		if err != nil {
			return nil, err
		}
		doc, err := encodeChallenges(a)
		if err != nil {
			return nil, err
		}
		end, until := a.Expires.UnixMicro(), o.Expires.UnixMicro()
		c.names, c.ids = append(c.names, name), append(c.ids, a.ID)
		c.authzs = append(c.authzs, []any{a.ID, a.Account, a.Provisioner, name, end, until, max(end, until), optional(a.Due), fresh(), fixed, doc})
		c.links = append(c.links, []any{name, int64(i)})
	}
	slices.SortFunc(c.names, bytes.Compare)
	slices.SortFunc(c.authzs, func(a, b []any) int { return bytes.Compare(a[3].([]byte), b[3].([]byte)) })
	return c, nil
}

// attempt is one run of the script.
type attempt struct {
	*newOrder
	tx Tx
	g  *gate

	open  *acme.Order // of the same key
	auths []*acme.Authorization

	reused, known, replaced, tooMany, unlessFull, full, missing *Step // what takes the ticket away
}

func (c *newOrder) apply(tx Tx, p *acme.Pass) (*acme.Order, []*acme.Authorization, error) {
	for range 10 {
		a := &attempt{newOrder: c, tx: tx, g: newGate(p)}
		o, auths, err := a.run()
		if o != nil || err != nil {
			return o, auths, err
		}
		p = nil // it has let us in
	}
	return nil, nil, acme.ErrConflict
}

// run returns nothing if it has to be tried again.
func (a *attempt) run() (*acme.Order, []*acme.Authorization, error) {
	a.g.before = []*Step{{Query: lockAccount, Args: []any{a.Order.Account}, Row: ignore, Skip: always}}
	if err := a.g.run(a.tx, a.steps()...); err != nil {
		return nil, nil, err
	}
	closed := func(s *Step) bool { return s != nil && s.N == 1 }
	switch {
	case closed(a.reused):
		if len(a.auths) != len(a.open.Identifiers) {
			return nil, nil, fmt.Errorf("%w: %s", errTorn, a.open.ID)
		}
		return a.open, a.auths, nil
	case closed(a.known):
		return nil, nil, acme.ErrExists
	case closed(a.replaced):
		return nil, nil, acme.ErrReplaced
	case closed(a.tooMany):
		return nil, nil, &acme.LimitError{Tally: acme.Tally{
			Key: "pending authorizations of " + a.Order.Account, Limit: a.MaxPending, What: "pending authorizations",
		}}
	case closed(a.unlessFull):
		return nil, nil, a.unless.refuse(a.tx)
	case closed(a.full):
		return nil, nil, a.tallies.refuse(a.tx)
	case closed(a.missing):
		return nil, nil, a.collision()
	case len(a.auths) != len(a.Order.Identifiers):
		return nil, nil, fmt.Errorf("%w: %s", errTorn, a.Order.ID)
	}
	o, err := a.recorded()
	return o, a.auths, err
}

// collision finds out what another account's order, of the same moment, was in the way with.
func (a *attempt) collision() error {
	there := func(query string, arg any) (bool, error) {
		s := &Step{Query: query, Args: []any{arg}, Row: ignore}
		err := a.tx.Run([]*Step{s})
		return s.N > 0, err
	}
	if yes, err := there(selectOrderID, a.Order.ID); yes || err != nil {
		if err == nil {
			err = acme.ErrExists
		}
		return err
	}
	if a.replaces != nil {
		if yes, err := there(selectReplaces, a.replaces); yes || err != nil {
			if err == nil {
				err = acme.ErrReplaced
			}
			return err
		}
	}
	return nil // it is gone
}

// recorded returns the order as it is stored.
func (c *newOrder) recorded() (*acme.Order, error) {
	r := Row{c.order[0], c.order[1], c.order[2], int64(0), nil, c.order[5], c.order[6], c.order[7], c.order[8], c.order[9]}
	return readOrder(r)
}
