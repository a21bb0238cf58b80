package sqlstore

import (
	"errors"

	"github.com/chancery-ca/chancery/acme"
)

const (
	accountColumns = "SELECT a.id, a.provisioner, a.thumbprint, a.status, a.version, a.fixed, a.doc FROM "

	selectAccount      = accountColumns + "acme_accounts a WHERE a.id = ?"
	selectAccountByKey = accountColumns + "acme_keys k CROSS JOIN acme_accounts a WHERE k.provisioner = ? AND k.thumbprint = ? AND a.id = k.account"

	ifAccountKnown = "(EXISTS (SELECT 1 FROM acme_accounts WHERE id = ?) OR EXISTS (SELECT 1 FROM acme_keys WHERE provisioner = ? AND thumbprint = ?))"
	ifNotClaimed   = "NOT EXISTS (SELECT 1 FROM acme_keys WHERE provisioner = ? AND thumbprint = ? AND account = ?)"

	lockExternalKey = "SELECT c.account FROM acme_external_keys c WHERE c.provisioner = ? AND c.id = ? /*lock*/"
	ifNotUsable     = `NOT EXISTS (SELECT 1 FROM acme_external_keys WHERE provisioner = ? AND id = ? AND revoked_at IS NULL
		AND (expires IS NULL OR expires > ?) AND (reusable = 1 OR account = ''))`
	useExternalKey = "UPDATE acme_external_keys SET account = ?, used_at = ?, version = ? WHERE provisioner = ? AND id = ? AND " + admitted

	claimKey = "INSERT INTO acme_keys (provisioner, thumbprint, account) SELECT " + isText + ", " + isText + ", " + isText + " WHERE " + admitted +
		" ON CONFLICT DO NOTHING"
	insertAccount = `INSERT INTO acme_accounts (id, provisioner, thumbprint, status, version, fixed, doc)
		SELECT ` + isText + `, ` + isText + `, ` + isText + `, ` + isInt + `, ` + isInt + `, ` + isText + `, ` + isText + ` WHERE ` + admitted + ` ON CONFLICT DO NOTHING`

	claimAnotherKey = `INSERT INTO acme_keys (provisioner, thumbprint, account) SELECT provisioner, ` + isText + `, id FROM acme_accounts
		WHERE id = ? AND version = ? AND ` + admitted + ` ON CONFLICT DO NOTHING`
	updateAccount = `UPDATE acme_accounts SET thumbprint = ?, status = ?, version = ?, doc = ? WHERE id = ? AND version = ? AND EXISTS (
		SELECT 1 FROM acme_keys k WHERE k.provisioner = acme_accounts.provisioner AND k.thumbprint = ? AND k.account = acme_accounts.id) AND ` + admitted
	deleteClaims = "DELETE FROM acme_keys WHERE account = ? AND thumbprint <> (SELECT thumbprint FROM acme_accounts WHERE id = ?)"

	selectAccountVersion = "SELECT version FROM acme_accounts WHERE id = ?"
)

func loadAccount(tx Tx, query string, args ...any) (out *acme.Account, err error) {
	err = tx.Query(query, func(r Row) error {
		var f accountFixed
		var d accountDoc
		out = &acme.Account{ID: r.text(0), Provisioner: r.text(1), Thumbprint: r.text(2), Status: r.status(3), Version: r.int(4)}
		err := errors.Join(decode("an account", r, 5, &f), decode("an account", r, 6, &d))
		out.URL, out.Binding, out.CreatedAt = f.URL, f.Binding, f.CreatedAt
		out.Key, out.Contacts, out.Agreed = d.Key, d.Contacts, d.Agreed
		return err
	}, args...)
	if err == nil && out == nil {
		err = acme.ErrNotFound
	}
	return out, err
}

// newAccount is a NewAccount, encoded.
type newAccount struct {
	*acme.Account
	row     []any // of insertAccount, but for the gate
	version int64
	at      int64
	tallies *tallies
}

func newNewAccount(a *acme.Account, t []acme.Tally) (*newAccount, error) {
	status, err := acmeCode(a.Status)
	if err != nil {
		return nil, err
	}
	fixed, err := encode("an account", accountFixed{a.URL, a.Binding, micro(a.CreatedAt)})
	if err != nil {
		return nil, err
	}
	doc, err := encode("an account", accountDoc{a.Key, a.Contacts, a.Agreed})
	if err != nil {
		return nil, err
	}
	c := &newAccount{Account: a, version: fresh(), at: a.CreatedAt.UnixMicro(), tallies: newTallies(t)}
	c.row = []any{a.ID, a.Provisioner, a.Thumbprint, status, c.version, fixed, doc}
	return c, nil
}

func (c *newAccount) apply(tx Tx, p *acme.Pass) error {
	g := newGate(p)
	known := g.void(ifAccountKnown, c.ID, c.Provisioner, c.Thumbprint)
	steps := []*Step{known}
	var use []*Step
	unusable, full := &Step{}, &Step{}
	if c.Binding != "" {
		unusable = g.void(ifNotUsable, c.Provisioner, c.Binding, c.at)
		steps = append(steps, &Step{Query: lockExternalKey, Args: []any{c.Provisioner, c.Binding}, Row: ignore, Skip: always}, unusable)
		use = []*Step{{Query: useExternalKey, Args: with([]any{c.ID, c.at, fresh(), c.Provisioner, c.Binding}, g.args...)}}
	}
	if !c.tallies.none() {
		condition, args := c.tallies.full()
		full = g.void(condition, args...)
		steps = append(append(steps, c.tallies.lock(admitted, g.args...)...), full)
	}
	taken := g.void(ifNotClaimed, c.Provisioner, c.Thumbprint, c.ID)
	steps = append(steps,
		&Step{Query: claimKey, Args: with([]any{c.Provisioner, c.Thumbprint, c.ID}, g.args...)},
		taken,
		&Step{Query: insertAccount, Args: with(c.row, g.args...)},
	)
	steps = append(append(steps, use...), c.tallies.count(admitted, g.args...)...)
	if err := g.run(tx, steps...); err != nil {
		return err
	}
	switch {
	case known.N == 1, taken.N == 1:
		return acme.ErrExists
	case unusable.N == 1:
		return acme.ErrKey
	case full.N == 1:
		return c.tallies.refuse(tx)
	}
	return nil
}

// accountChange is an UpdateAccount, encoded.
type accountChange struct {
	*acme.Account
	next int64
	args []any // of updateAccount, but for the gate
}

func newAccountChange(a *acme.Account) (*accountChange, error) {
	status, err := acmeCode(a.Status)
	if err != nil {
		return nil, err
	}
	doc, err := encode("an account", accountDoc{a.Key, a.Contacts, a.Agreed})
	if err != nil {
		return nil, err
	}
	c := &accountChange{Account: a, next: fresh()}
	c.args = []any{a.Thumbprint, status, c.next, doc, a.ID, a.Version, a.Thumbprint}
	return c, nil
}

func (c *accountChange) apply(tx Tx, p *acme.Pass) error {
	g := newGate(p)
	s := &Step{Query: updateAccount, Args: with(c.args, g.args...)}
	err := g.run(tx,
		&Step{Query: claimAnotherKey, Args: with([]any{c.Thumbprint, c.ID, c.Version}, g.args...)},
		s,
		&Step{Query: deleteClaims, Args: []any{c.ID, c.ID}}, // the one that was left, or that came to nothing
	)
	if err != nil || s.N == 1 {
		return err
	}
	answer := acme.ErrNotFound
	err = tx.Query(selectAccountVersion, func(r Row) error {
		if answer = acme.ErrConflict; r.int(0) == c.Version {
			answer = acme.ErrExists
		}
		return nil
	}, c.ID)
	if err != nil {
		return err
	}
	return answer
}
