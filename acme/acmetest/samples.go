package acmetest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

// Start is the present of the suite.
var Start = time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC)

// Provisioner is what the suite's accounts belong to.
const Provisioner = "acme"

// Account returns an account whose ID and key are made from n.
func Account(n int) *acme.Account {
	return &acme.Account{
		ID: fmt.Sprintf("account-%d", n), Provisioner: Provisioner, URL: fmt.Sprintf("https://ca.internal/account/%d", n),
		Key: fmt.Appendf(nil, `{"kty":"OKP","crv":"Ed25519","x":"%d"}`, n), Thumbprint: fmt.Sprintf("thumbprint-%d", n),
		Status: acme.Valid, Contacts: []string{"mailto:admin@example.com"}, Agreed: true, CreatedAt: Start,
	}
}

// Pass returns a fresh one for a request of an account; nil is nobody's.
func Pass(a *acme.Account) *acme.Pass {
	p := &acme.Pass{Nonce: make([]byte, 24), Until: Start.Add(time.Hour)}
	rand.Read(p.Nonce)
	if a != nil {
		p.Account, p.Thumbprint = a.ID, a.Thumbprint
	}
	return p
}

// NewOrder returns an order of an account for names, with "*." in front of wildcards, and its authorizations. They
// end in a week.
func NewOrder(a *acme.Account, id string, names ...string) *acme.NewOrder {
	end := Start.Add(7 * 24 * time.Hour)
	o := &acme.Order{
		ID: id, Account: a.ID, Provisioner: a.Provisioner, Status: acme.Pending, Profile: "server", CreatedAt: Start, Expires: end,
	}
	n := &acme.NewOrder{Order: o, Now: Start, NotEndingBefore: Start.Add(time.Hour)}
	for i, name := range names {
		who := acme.Identifier{Type: acme.DNS, Value: name}
		o.Identifiers = append(o.Identifiers, who)
		n.Authorizations = append(n.Authorizations, &acme.Authorization{
			ID: fmt.Sprintf("%s-%d", id, i), Account: a.ID, Provisioner: a.Provisioner, Identifier: who.Base(), Wildcard: who.Wildcard(),
			Status: acme.Pending, Expires: end, Challenges: []acme.Challenge{
				{Type: acme.HTTP01, Token: "token of " + id, Status: acme.Pending}, {Type: acme.DNS01, Token: "token of " + id, Status: acme.Pending},
			},
		})
	}
	key := sha256.Sum256([]byte(a.ID + " " + strings.Join(names, " ")))
	n.Key = fmt.Sprintf("%x", key)
	return n
}

// account records one.
func account(t *testing.T, s acme.Store, n int) *acme.Account {
	t.Helper()
	a := Account(n)
	require.NoError(t, s.NewAccount(ctx, Pass(nil), a))
	return a
}

// order records n, and fails if it is not a new one.
func order(t *testing.T, s acme.Store, n *acme.NewOrder) (*acme.Order, []*acme.Authorization) {
	t.Helper()
	o, auths, err := s.NewOrder(ctx, nil, n)
	require.NoError(t, err)
	require.Equal(t, n.Order.ID, o.ID, "an order that was there already")
	return o, auths
}

// again has n return an order that was there already.
func again(t *testing.T, s acme.Store, n *acme.NewOrder, id string) (*acme.Order, []*acme.Authorization) {
	t.Helper()
	o, auths, err := s.NewOrder(ctx, nil, n)
	require.NoError(t, err)
	require.Equal(t, id, o.ID)
	_, _, err = s.Order(ctx, nil, n.Order.ID)
	require.ErrorIs(t, err, acme.ErrNotFound)
	return o, auths
}

func load(t *testing.T, s acme.Store, id string) (*acme.Order, []*acme.Authorization) {
	t.Helper()
	o, auths, err := s.Order(ctx, nil, id)
	require.NoError(t, err)
	return o, auths
}

func loadAuth(t *testing.T, s acme.Store, id string) *acme.Authorization {
	t.Helper()
	a, err := s.Authorization(ctx, nil, id)
	require.NoError(t, err)
	return a
}

// set gives an authorization a status and an end.
func set(t *testing.T, s acme.Store, id string, status acme.Status, end time.Time) {
	t.Helper()
	a := loadAuth(t, s, id)
	a.Status, a.Expires = status, end
	require.NoError(t, s.UpdateAuthorization(ctx, nil, a))
}

// finish gives an order a status.
func finish(t *testing.T, s acme.Store, id string, status acme.Status) {
	t.Helper()
	o, _ := load(t, s, id)
	o.Status = status
	require.NoError(t, s.UpdateOrder(ctx, nil, o))
}

func authIDs(auths []*acme.Authorization) []string {
	out := []string{}
	for _, a := range auths {
		out = append(out, a.ID)
	}
	return out
}

// requireLimit fails unless err is about a tally.
func requireLimit(t *testing.T, err error, what string) {
	t.Helper()
	var e *acme.LimitError
	require.ErrorAs(t, err, &e)
	require.Equal(t, what, e.Tally.What)
}

// canon writes an object with its version, for comparisons.
func canon(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
