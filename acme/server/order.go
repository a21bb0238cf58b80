package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
)

// orderJSON is the order object (RFC 8555, section 7.1.3).
type orderJSON struct {
	ID             string            `json:"id"` // step's clients read it
	Status         acme.Status       `json:"status"`
	Expires        time.Time         `json:"expires"`
	Identifiers    []acme.Identifier `json:"identifiers"`
	NotBefore      time.Time         `json:"notBefore,omitzero"`
	NotAfter       time.Time         `json:"notAfter,omitzero"`
	Profile        string            `json:"profile,omitempty"`
	Replaces       string            `json:"replaces,omitempty"`
	Error          *acme.Problem     `json:"error,omitempty"`
	Authorizations []string          `json:"authorizations"`
	Finalize       string            `json:"finalize"`
	Certificate    string            `json:"certificate,omitempty"`
}

func (c *call) answerOrder(status int, o *acme.Order, auths []*acme.Authorization) error {
	now := time.Now()
	v := orderJSON{
		ID: o.ID, Status: o.State(auths, now), Expires: o.Expires.Truncate(time.Second), Identifiers: o.Identifiers, NotBefore: o.NotBefore, NotAfter: o.NotAfter,
		Profile: o.Profile, Replaces: o.Replaces, Error: o.Error, Authorizations: make([]string, 0, len(auths)), Finalize: c.link("order", o.ID, "finalize"),
	}
	for _, a := range auths {
		v.Authorizations = append(v.Authorizations, c.link("authz", a.ID))
	}
	switch v.Status {
	case acme.Valid:
		v.Certificate = c.link("certificate", o.ID)
	case acme.Processing:
		c.w.Header().Set("Retry-After", seconds(pollAfter))
	case acme.Invalid:
		if v.Error == nil {
			v.Error = whyInvalid(o, auths, now)
		}
	}
	c.w.Header().Set("Location", c.link("order", o.ID))
	return c.answer(status, v)
}

// pollAfter is when a client that has to wait should ask again.
const pollAfter = time.Second

// whyInvalid explains an order that will not be ready any more.
func whyInvalid(o *acme.Order, auths []*acme.Authorization, now time.Time) *acme.Problem {
	p := problem(acme.Unauthorized, 0, "an authorization is not valid any more")
	for _, a := range auths {
		if st := a.State(now); st == acme.Pending || st == acme.Valid {
			continue
		}
		id := a.Identifier
		for i := range a.Challenges {
			if e := a.Challenges[i].Error; e != nil && a.Challenges[i].Status == acme.Invalid {
				sub := *e
				sub.Identifier = &id
				p.Subproblems = append(p.Subproblems, &sub)
			}
		}
	}
	if len(p.Subproblems) > 0 {
		p.Detail = "a challenge was not met"
	} else if !now.Before(o.Expires) {
		return problem(acme.Malformed, 0, "the order has expired")
	}
	return p
}

// orderRequest is what newOrder may say. Times are read by hand: whatever is not one is a problem of its own.
type orderRequest struct {
	Identifiers []acme.Identifier `json:"identifiers"`
	NotBefore   *string           `json:"notBefore"`
	NotAfter    *string           `json:"notAfter"`
	Profile     string            `json:"profile"`
	Replaces    string            `json:"replaces"`
}

// newOrder records an order, or returns the one that is there for the same (RFC 8555, section 7.4).
func (c *call) newOrder() error {
	var q orderRequest
	if err := c.m.Decode(&q); err != nil {
		return err
	}
	o, err := c.makeOrder(&q)
	if err != nil {
		return err
	}
	if err := c.permit(o); err != nil {
		return err
	}
	n, err := c.newOrderOf(o)
	if err != nil {
		return err
	}
	var auths []*acme.Authorization
	var got *acme.Order
	err = c.use(func(p *acme.Pass) (err error) {
		got, auths, err = c.s.c.Store.NewOrder(c.r.Context(), p, n)
		return err
	})
	switch {
	case errors.Is(err, acme.ErrReplaced):
		return problem(acme.AlreadyReplaced, 0, "another order replaces that certificate")
	case err != nil:
		return err
	}
	c.s.remember(auths...)
	if got.ID == o.ID {
		tellOrder(c.r.Context(), c.ca, event.OrderCreated, got, nil)
	}
	return c.answerOrder(http.StatusCreated, got, auths)
}

// makeOrder checks the form of what is asked for.
func (c *call) makeOrder(q *orderRequest) (*acme.Order, error) {
	f := &c.s.c
	now := time.Now()
	o := &acme.Order{
		ID: newID(), Account: c.account.ID, Provisioner: f.Name, Status: acme.Pending, Profile: q.Profile, CreatedAt: now, Expires: now.Add(f.OrderLife),
	}
	if len(q.Identifiers) == 0 {
		return nil, problem(acme.Malformed, 0, "an order has at least one identifier")
	}
	if most := f.Limits.Identifiers; most > 0 && len(q.Identifiers) > most {
		return nil, problem(acme.RejectedIdentifier, 0, "an order has %d identifiers at most", most)
	}
	var bad []*acme.Problem
	for _, raw := range q.Identifiers {
		id, err := acme.ParseIdentifier(raw.Type, raw.Value)
		if err == nil && !c.s.offers(id) {
			err = problem(acme.UnsupportedIdentifier, 0, "no challenge of this server is for such an identifier")
			if id.Wildcard() {
				err = problem(acme.RejectedIdentifier, 0, "no challenge of this server is for a wildcard")
			}
		}
		if err != nil {
			p := *problemOf(err)
			if short := clip(raw); short.Value != "" {
				p.Identifier = &short
			}
			bad = append(bad, &p)
			continue
		}
		if !slices.Contains(o.Identifiers, id) {
			o.Identifiers = append(o.Identifiers, id)
		}
	}
	if len(bad) > 0 {
		return nil, compound(bad, len(q.Identifiers))
	}
	if len(f.Profiles) == 0 && q.Profile != "" || q.Profile != "" && !hasKey(f.Profiles, q.Profile) {
		return nil, problem(acme.InvalidProfile, 0, "there is no such profile")
	}
	var err error
	if o.NotBefore, err = moment("notBefore", q.NotBefore); err != nil {
		return nil, err
	}
	if o.NotAfter, err = moment("notAfter", q.NotAfter); err != nil {
		return nil, err
	}
	if !o.NotAfter.IsZero() && (!o.NotAfter.After(now) || !o.NotAfter.After(o.NotBefore)) {
		return nil, problem(acme.Malformed, 0, "notAfter is not after now and notBefore")
	}
	if q.Replaces != "" {
		if err := c.mayReplace(q.Replaces, o); err != nil {
			return nil, err
		}
		o.Replaces = q.Replaces
	}
	return o, nil
}

func hasKey(m map[string]string, k string) bool {
	_, ok := m[k]
	return ok
}

// clip makes an identifier fit to be repeated to whoever sent it.
func clip(id acme.Identifier) acme.Identifier {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '?'
			}
			return r
		}, s[:min(len(s), 255)])
	}
	return acme.Identifier{Type: acme.IdentifierType(plain(string(id.Type))), Value: plain(id.Value)}
}

// compound makes one problem of those of several identifiers (RFC 8555, section 6.7.1).
func compound(bad []*acme.Problem, of int) *acme.Problem {
	if len(bad) == 1 && of == 1 {
		p := *bad[0]
		p.Identifier = nil // only subproblems have one
		return &p
	}
	p := &acme.Problem{Type: bad[0].Type, Status: bad[0].Status, Detail: "some of the identifiers are refused", Subproblems: bad}
	for _, b := range bad {
		if b.Type != p.Type {
			p.Type, p.Status = acme.Compound, 0
		}
	}
	return p
}

// moment reads a time of an order. The zero time, which step's clients send, says nothing.
func moment(what string, s *string) (time.Time, error) {
	if s == nil || *s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		return t, problem(acme.Malformed, 0, "%s is not a time of RFC 3339", what)
	}
	if t.IsZero() {
		return time.Time{}, nil
	}
	return t.UTC(), nil
}

// permit asks the authority whether it would issue such a certificate, before the client goes to any trouble.
func (c *call) permit(o *acme.Order) error {
	ctx := c.r.Context()
	err := c.ca.Foresee(ctx, c.s.prospect(o, o.Identifiers, c.account))
	if err == nil {
		return nil
	}
	p := problemOf(err)
	if p.Type == acme.ServerInternal {
		return p
	}
	if len(o.Identifiers) > 1 {
		var bad []*acme.Problem
		for _, id := range o.Identifiers {
			if err := c.ca.Foresee(ctx, c.s.prospect(o, []acme.Identifier{id}, c.account)); err != nil {
				sub := *problemOf(err)
				sub.Identifier = &id
				bad = append(bad, &sub)
			}
		}
		if len(bad) > 0 {
			p = compound(bad, len(o.Identifiers))
		}
	}
	if err := c.spend(); err != nil {
		return err
	}
	if err := c.s.c.Store.Count(ctx, c.orderTally()); err != nil { // so that events are bounded, too
		return err
	}
	refused := *o
	refused.ID = ""
	tellOrder(ctx, c.ca, event.OrderFailed, &refused, p)
	return p
}

// prospect is what the authority is asked about an order, or about some of its identifiers.
func (s *Server) prospect(o *acme.Order, ids []acme.Identifier, a *acme.Account) *authority.Prospect {
	return &authority.Prospect{
		Provisioner: s.c.Name, Profile: o.Profile, Grant: s.grant(ids, a), RequestID: o.ID,
		NotBefore: authority.When{Time: o.NotBefore}, NotAfter: authority.When{Time: o.NotAfter},
	}
}

// newOrderOf prepares what the store records. Identifiers for which too many validations have failed lately are
// refused here, since each attempt after a failure needs a new order.
func (c *call) newOrderOf(o *acme.Order) (*acme.NewOrder, error) {
	now := time.Now()
	n := &acme.NewOrder{
		Order: o, Key: orderKey(o), Now: now, NotEndingBefore: now.Add(min(time.Hour, c.s.c.OrderLife/4, c.s.c.AuthorizationLife/4)),
		MaxPending: max(0, c.s.c.Limits.PendingAuthorizations), Tallies: []acme.Tally{c.orderTally()},
	}
	var failed []acme.Tally
	for _, id := range o.Identifiers {
		n.Authorizations = append(n.Authorizations, c.s.newAuthorization(o, id))
		failed = append(failed, c.s.failures(o.Account, id.Base(), "")...)
	}
	failed = append(failed, c.s.tally("failed validations", "failed/"+network(c.address()), c.s.c.Limits.FailedFromAddress))
	n.Unless = failed
	return n, nil
}

// orderKey is the same for orders of an account that ask for the same.
func orderKey(o *acme.Order) string {
	ids := slices.Clone(o.Identifiers)
	slices.SortFunc(ids, func(a, b acme.Identifier) int { return strings.Compare(a.String(), b.String()) })
	b, _ := json.Marshal([]any{o.Provisioner, o.Account, ids, o.NotBefore, o.NotAfter, o.Profile, o.Replaces}) // cannot fail
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// order answers POST-as-GET.
func (c *call) order() error {
	if err := c.m.PostAsGet(); err != nil {
		return err
	}
	o, auths, err := c.loadOrder()
	if err != nil {
		return err
	}
	return c.answerOrder(http.StatusOK, o, auths)
}

// loadOrder reads the order that the request was sent to, which must be the account's own, and spends the nonce.
func (c *call) loadOrder() (o *acme.Order, auths []*acme.Authorization, err error) {
	if !validID(c.args[0]) {
		return nil, nil, acme.ErrNotFound
	}
	err = c.use(func(p *acme.Pass) (err error) {
		o, auths, err = c.s.c.Store.Order(c.r.Context(), p, c.args[0])
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if err := c.mine(o.Account, o.Provisioner); err != nil {
		return nil, nil, err
	}
	c.s.remember(auths...)
	return o, auths, nil
}

// mine refuses what belongs to another account.
func (c *call) mine(account, provisioner string) error {
	if provisioner != c.s.c.Name {
		return acme.ErrNotFound
	}
	if account != c.account.ID {
		return problem(acme.Unauthorized, 0, "that belongs to another account")
	}
	return nil
}

// remember keeps what was seen of authorizations.
func (s *Server) remember(auths ...*acme.Authorization) {
	for _, a := range auths {
		s.recent.put(a.ID, &known{authz: a})
	}
}
