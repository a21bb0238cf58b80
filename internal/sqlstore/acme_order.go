package sqlstore

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

const (
	orderColumns = `SELECT c.id, c.account, c.provisioner, c.status, c.serial, c.expires, c.due, c.version, c.fixed, c.doc
		FROM acme_orders c`

	selectOrder    = orderColumns + " WHERE c.id = ?"
	selectOrderOf  = orderColumns + " WHERE c.provisioner = ? AND c.serial = ? ORDER BY c.seq DESC LIMIT 1"
	selectDueOrder = orderColumns + " WHERE c.provisioner = ? AND c.due <= ? ORDER BY c.due, c.seq LIMIT ?"

	selectOrders = `SELECT c.seq, c.id, c.status, c.expires FROM acme_orders c WHERE c.account = ? AND c.seq < ? ORDER BY c.seq DESC LIMIT ?`

	updateOrder = `UPDATE acme_orders SET status = ?, serial = ?, due = ?, version = ?, doc = ?,
		open_key = CASE WHEN ? = 1 THEN open_key END, replaces_key = CASE WHEN ? = 1 THEN replaces_key END WHERE id = ? AND version = ?%if`

	selectOrderVersion = "SELECT version FROM acme_orders WHERE id = ?"

	// What an order rests on, by its id and by its key.
	selectLinked     = authzColumns + " JOIN acme_links l ON l.authz = c.seq WHERE l.ord = (SELECT seq FROM acme_orders WHERE id = ?) ORDER BY l.n"
	selectLinkedOpen = authzColumns + " JOIN acme_links l ON l.authz = c.seq WHERE l.ord = (SELECT seq FROM acme_orders WHERE open_key = ?) ORDER BY l.n"
)

func readOrder(r Row) (*acme.Order, error) {
	var f orderFixed
	var d orderDoc
	if err := errors.Join(decode("an order", r, 8, &f), decode("an order", r, 9, &d)); err != nil {
		return nil, err
	}
	return &acme.Order{
		ID: r.text(0), Account: r.text(1), Provisioner: r.text(2), Status: r.status(3), Serial: r.text(4), Expires: r.time(5), Due: r.optional(6),
		Version: r.int(7), Identifiers: f.Identifiers, NotBefore: f.NotBefore, NotAfter: f.NotAfter, Profile: f.Profile, Replaces: f.Replaces,
		CreatedAt: f.CreatedAt, Error: d.Error, CSR: d.CSR, Attempts: d.Attempts,
	}, nil
}

// oneOrder is the step that reads an order into o.
func oneOrder(o **acme.Order, query string, args ...any) *Step {
	return &Step{Query: query, Args: args, Row: func(r Row) (err error) {
		*o, err = readOrder(r)
		return err
	}}
}

// errTorn says that an order does not rest on what it should. Whoever goes on without that may issue what nobody has proved.
var errTorn = errors.New("sqlstore: an order without all of its authorizations")

func loadOrder(tx Tx, p *acme.Pass, id string) (*acme.Order, []*acme.Authorization, error) {
	var o *acme.Order
	var auths []*acme.Authorization
	if err := admit(tx, p, oneOrder(&o, selectOrder, id), someAuthzs(&auths, selectLinked, id)); err != nil {
		return nil, nil, err
	}
	if o != nil && len(auths) != len(o.Identifiers) { // it was being deleted
		o, auths = nil, nil
		if err := tx.Run([]*Step{oneOrder(&o, selectOrder, id), someAuthzs(&auths, selectLinked, id)}); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case o == nil:
		return nil, nil, acme.ErrNotFound
	case len(auths) != len(o.Identifiers):
		return nil, nil, fmt.Errorf("%w: %s", errTorn, id)
	}
	return o, auths, nil
}

func orderOf(tx Tx, provisioner, serial string) (o *acme.Order, err error) {
	err = tx.Run([]*Step{oneOrder(&o, selectOrderOf, provisioner, serial)})
	if err == nil && o == nil {
		err = acme.ErrNotFound
	}
	return o, err
}

func dueOrders(tx Tx, provisioner string, now time.Time, limit int) (out []*acme.Order, err error) {
	err = tx.Query(selectDueOrder, func(r Row) error {
		o, err := readOrder(r)
		out = append(out, o)
		return err
	}, provisioner, now.UnixMicro(), int64(Limit(limit)))
	return out, err
}

// scannedOrders is how many rows a page of an account's orders looks through.
const scannedOrders = 5000

func listOrders(tx Tx, p *acme.Pass, account string, now time.Time, cursor string, limit int) (ids []string, next string, err error) {
	before := int64(1)<<62 - 1
	bad := false
	if cursor != "" {
		before, err = strconv.ParseInt(cursor, 10, 64)
		bad = err != nil || before <= 0 || strconv.FormatInt(before, 10) != cursor
	}
	limit = Limit(limit)
	var last int64 // of those returned
	full := false
	rows := limit + 1
	step := func() *Step {
		return &Step{Query: selectOrders, Args: []any{account, before, int64(rows)}, Row: func(r Row) error {
			before = r.int(0)
			if r.status(2) == acme.Invalid || r.int(3) <= now.UnixMicro() || full {
				return nil
			}
			if full = len(ids) == limit; !full {
				ids, last = append(ids, r.text(1)), before
			}
			return nil
		}}
	}
	if bad {
		if err := admit(tx, p); err != nil {
			return nil, "", err
		}
		return nil, "", acme.ErrNotFound
	}
	s := step()
	if err := admit(tx, p, s); err != nil {
		return nil, "", err
	}
	for seen := s.N; !full && s.N == int64(rows); seen += s.N { // many have ended
		if seen >= scannedOrders {
			return ids, strconv.FormatInt(before, 10), nil
		}
		rows = 1000
		s = step()
		if err := tx.Run([]*Step{s}); err != nil {
			return nil, "", err
		}
	}
	if full {
		next = strconv.FormatInt(last, 10)
	}
	return ids, next, nil
}

// orderChange is an UpdateOrder, encoded.
type orderChange struct {
	args []any // of updateOrder
	id   string
	next int64
}

func newOrderChange(o *acme.Order) (*orderChange, error) {
	status, err := acmeCode(o.Status)
	if err != nil {
		return nil, err
	}
	doc, err := encode("an order", orderDoc{Error: o.Error, CSR: o.CSR, Attempts: o.Attempts})
	if err != nil {
		return nil, err
	}
	var serial any
	if o.Serial != "" {
		serial = o.Serial
	}
	c := &orderChange{id: o.ID, next: fresh()}
	c.args = []any{status, serial, optional(o.Due), c.next, doc, flag(o.Status == acme.Pending), flag(o.Status != acme.Invalid), o.ID, o.Version}
	return c, nil
}

func (c *orderChange) apply(tx Tx, p *acme.Pass) error {
	s := &Step{Query: updateOrder, Args: c.args}
	if err := admit(tx, p, s); err != nil || s.N == 1 {
		return err
	}
	return missed(tx, selectOrderVersion, c.id)
}

// missed finds out why an update has changed no row.
func missed(tx Tx, query string, args ...any) error {
	answer := acme.ErrNotFound
	err := tx.Query(query, func(Row) error {
		answer = acme.ErrConflict
		return nil
	}, args...)
	if err != nil {
		return err
	}
	return answer
}
