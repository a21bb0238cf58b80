package sqlstore

import (
	"crypto/rand"
	"slices"
	"strings"

	"github.com/chancery-ca/chancery/acme"
)

const (
	spendNonce = "INSERT INTO acme_nonces (id, ticket, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

	spendNonceFor = `INSERT INTO acme_nonces (id, ticket, until) SELECT ` + isBytes + `, ` + isInt + `, ` + isInt + ` FROM acme_accounts
		WHERE id = ? AND status = 2 AND thumbprint = ? ON CONFLICT DO NOTHING`

	// admitted is the condition of whatever a request writes that has spent a nonce.
	admitted = "EXISTS (SELECT 1 FROM acme_nonces WHERE id = ? AND ticket = ?)"

	// void takes it away, on a condition that follows: so nothing that comes after is done, and the nonce stays spent.
	void = "UPDATE acme_nonces SET ticket = NULL WHERE id = ? AND ticket = ? AND "

	deleteNonce  = "DELETE FROM acme_nonces WHERE id = ?"
	selectHolder = "SELECT status, thumbprint FROM acme_accounts WHERE id = ?"
)

// gate lets in one run of a script.
type gate struct {
	pass *acme.Pass // nil: nothing is asked for
	args []any      // of admitted
	open *Step

	before []*Step // of open: what locks rows that it looks at
}

// newGate returns the gate of a script whose steps depend on one another: without a pass, on a nonce of its own.
func newGate(p *acme.Pass) *gate {
	ticket := fresh()
	switch {
	case p == nil:
		id := make([]byte, 24)
		rand.Read(id)
		return &gate{args: []any{id, ticket}, open: &Step{Query: spendNonce, Args: []any{id, ticket, int64(0)}, Last: true}}
	case p.Account == "":
		return &gate{pass: p, args: []any{p.Nonce, ticket}, open: &Step{Query: spendNonce, Args: []any{p.Nonce, ticket, p.Until.UnixMicro()}, Last: true}}
	}
	args := []any{p.Nonce, ticket, p.Until.UnixMicro(), p.Account, p.Thumbprint}
	return &gate{pass: p, args: args[:2:2], open: &Step{Query: spendNonceFor, Args: args, Last: true}}
}

// void returns the step that closes the gate on a condition.
func (g *gate) void(condition string, args ...any) *Step {
	return &Step{Query: void + condition, Args: with(g.args, args...)}
}

// run runs steps behind the gate, and returns why they were not let in, or nil.
func (g *gate) run(tx Tx, steps ...*Step) error {
	all := append(append(slices.Clip(g.before), g.open), steps...)
	if g.pass == nil {
		all = append(all, &Step{Query: deleteNonce, Args: g.args[:1]})
	}
	if err := tx.Run(all); err != nil {
		return err
	}
	if g.open.N == 0 {
		return refusal(tx, g.pass)
	}
	return nil
}

// admit runs steps that need no gate but for a pass: those with %if at the end have the condition, if there is one.
func admit(tx Tx, p *acme.Pass, steps ...*Step) error {
	var g *gate
	condition := ""
	if p != nil {
		g, condition = newGate(p), " AND "+admitted
	}
	for _, s := range steps {
		query, guarded := strings.CutSuffix(s.Query, "%if")
		if !guarded {
			continue
		}
		s.Query = query + condition
		if g != nil {
			s.Args = with(s.Args, g.args...)
		}
	}
	if g == nil {
		return tx.Run(steps)
	}
	return g.run(tx, steps...)
}

// refusal finds out why a pass does not let anybody in.
func refusal(tx Tx, p *acme.Pass) error {
	if p.Account == "" {
		return acme.ErrSpent
	}
	answer := acme.ErrAccount
	err := tx.Query(selectHolder, func(r Row) error {
		if r.status(0) == acme.Valid && r.text(1) == p.Thumbprint {
			answer = acme.ErrSpent
		}
		return nil
	}, p.Account)
	if err != nil {
		return err
	}
	return answer
}
