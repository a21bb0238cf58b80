package sqlstore

import (
	"errors"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

const (
	authzColumns = `SELECT c.id, c.account, c.provisioner, c.status, c.expires, c.due, c.version, c.fixed, c.doc FROM acme_authzs c`

	selectAuthz    = authzColumns + " WHERE c.id = ?"
	selectDueAuthz = authzColumns + " WHERE c.provisioner = ? AND c.due <= ? ORDER BY c.due, c.seq LIMIT ?"

	updateAuthz = `UPDATE acme_authzs SET status = ?, live = CASE WHEN ? = 1 THEN live ELSE 0 END, expires = ?,
		keep = CASE WHEN needed < ? THEN ? ELSE needed END, due = ?, version = ?, doc = ? WHERE id = ? AND version = ?%if`

	selectAuthzVersion = "SELECT version FROM acme_authzs WHERE id = ?"

	// changedAuthz is the condition of what is written with a change: no other one has made that version.
	changedAuthz = "EXISTS (SELECT 1 FROM acme_authzs WHERE id = ? AND version = ?)"

	countHeld = "SELECT count(DISTINCT name) FROM acme_authzs WHERE name IN %list AND status = 2 AND expires > ?"
)

func readAuthz(r Row) (*acme.Authorization, error) {
	var f authzFixed
	var d authzDoc
	if err := errors.Join(decode("an authorization", r, 7, &f), decode("an authorization", r, 8, &d)); err != nil {
		return nil, err
	}
	return &acme.Authorization{
		ID: r.text(0), Account: r.text(1), Provisioner: r.text(2), Status: r.status(3), Expires: r.time(4), Due: r.optional(5), Version: r.int(6),
		Identifier: f.Identifier, Wildcard: f.Wildcard, Challenges: d.Challenges,
	}, nil
}

// someAuthzs is the step that reads authorizations into out.
func someAuthzs(out *[]*acme.Authorization, query string, args ...any) *Step {
	return &Step{Query: query, Args: args, Row: func(r Row) error {
		a, err := readAuthz(r)
		*out = append(*out, a)
		return err
	}}
}

func loadAuthz(tx Tx, p *acme.Pass, id string) (*acme.Authorization, error) {
	var all []*acme.Authorization
	if err := admit(tx, p, someAuthzs(&all, selectAuthz, id)); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, acme.ErrNotFound
	}
	return all[0], nil
}

func dueAuthzs(tx Tx, provisioner string, now time.Time, limit int) (out []*acme.Authorization, err error) {
	err = tx.Run([]*Step{someAuthzs(&out, selectDueAuthz, provisioner, now.UnixMicro(), int64(Limit(limit)))})
	return out, err
}

// encodeChallenges returns the document of an authorization.
func encodeChallenges(a *acme.Authorization) (string, error) {
	all := slices.Clone(a.Challenges)
	for i := range all {
		all[i].Validated = micro(all[i].Validated)
	}
	return encode("an authorization", authzDoc{all})
}

// authzChange is an UpdateAuthorization, encoded.
type authzChange struct {
	args    []any // of updateAuthz
	id      string
	next    int64
	tallies *tallies
}

func newAuthzChange(a *acme.Authorization, t []acme.Tally) (*authzChange, error) {
	status, err := acmeCode(a.Status)
	if err != nil {
		return nil, err
	}
	doc, err := encodeChallenges(a)
	if err != nil {
		return nil, err
	}
	c := &authzChange{id: a.ID, next: fresh(), tallies: newTallies(t)}
	end := a.Expires.UnixMicro()
	c.args = []any{status, flag(a.Live()), end, end, end, optional(a.Due), c.next, doc, a.ID, a.Version}
	return c, nil
}

func (c *authzChange) apply(tx Tx, p *acme.Pass) error {
	s := &Step{Query: updateAuthz, Args: c.args, Last: true}
	if err := admit(tx, p, append([]*Step{s}, c.tallies.count(changedAuthz, c.id, c.next)...)...); err != nil || s.N == 1 {
		return err
	}
	return missed(tx, selectAuthzVersion, c.id)
}

func holds(tx Tx, account string, ids []acme.Identifier, now time.Time) (all bool, err error) {
	names := make([][]byte, len(ids))
	for i, id := range ids {
		names[i] = nameOf(account, id.Base(), id.Wildcard())
	}
	slices.SortFunc(names, slices.Compare)
	names = slices.CompactFunc(names, slices.Equal)
	if len(names) == 0 {
		return true, nil
	}
	in, args := list(names)
	err = tx.Query(fill(countHeld, "%list", in), func(r Row) error {
		all = r.int(0) == int64(len(names))
		return nil
	}, append(args, now.UnixMicro())...)
	return all, err
}
