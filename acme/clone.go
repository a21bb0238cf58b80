package acme

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// micro returns t as a store keeps it.
func micro(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// octets copies b; nothing is nil.
func octets(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

func texts(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

// clone copies a as a store keeps it, as do those of the other objects.
func (a *Account) clone() *Account {
	c := *a
	c.Key, c.Contacts, c.CreatedAt = octets(a.Key), texts(a.Contacts), micro(a.CreatedAt)
	return &c
}

func (k *ExternalKey) clone() *ExternalKey {
	c := *k
	c.Key = octets(k.Key)
	c.CreatedAt, c.Expires, c.RevokedAt, c.UsedAt = micro(k.CreatedAt), micro(k.Expires), micro(k.RevokedAt), micro(k.UsedAt)
	return &c
}

func (o *Order) clone() *Order {
	c := *o
	c.Identifiers, c.Error, c.CSR = slices.Clone(o.Identifiers), o.Error.clone(), octets(o.CSR)
	c.NotBefore, c.NotAfter, c.CreatedAt, c.Expires, c.Due = micro(o.NotBefore), micro(o.NotAfter), micro(o.CreatedAt), micro(o.Expires), micro(o.Due)
	return &c
}

func (a *Authorization) clone() *Authorization {
	c := *a
	c.Expires, c.Due = micro(a.Expires), micro(a.Due)
	c.Challenges = slices.Clone(a.Challenges)
	for i := range c.Challenges {
		ch := &c.Challenges[i]
		ch.Validated, ch.Error, ch.Payload, ch.Data = micro(ch.Validated), ch.Error.clone(), octets(ch.Payload), cloneData(ch.Data)
	}
	return &c
}

// clone keeps what is for the client: a store has no use for the rest.
func (p *Problem) clone() *Problem {
	if p == nil {
		return nil
	}
	c := &Problem{Type: p.Type, Detail: p.Detail, Status: p.HTTPStatus(), Algorithms: texts(p.Algorithms), Instance: p.Instance}
	if p.Identifier != nil {
		id := *p.Identifier
		c.Identifier = &id
	}
	for _, s := range p.Subproblems {
		c.Subproblems = append(c.Subproblems, s.clone())
	}
	return c
}

// cloneData makes of data what JSON does: every store has the same numbers then.
func cloneData(data map[string]any) map[string]any {
	if len(data) == 0 {
		return nil
	}
	b, err := json.Marshal(data)
	if err != nil {
		return nil
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		return nil
	}
	return out
}
