package inventory

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Canonical returns i in the form in which identifiers are stored and compared; the package comment has
// the rules. It does not judge whether i is valid.
func (i Identifier) Canonical() Identifier {
	switch i.Kind { // the kinds of package provisioner, which this one does not import
	case "hostname", "key-fingerprint":
		i.Value = lower(i.Value)
	case "email":
		i.Value = lowerDomain(i.Value)
	case "ip":
		i.Value = canonicalIP(i.Value)
	}
	return i
}

// Canonical returns what a store keeps of e: a copy with its identifiers and names in canonical form
// and empty lists as nil. An entity that is not valid is [ErrInvalid].
func Canonical(e *Entity) (*Entity, error) {
	if e == nil {
		return nil, invalid("no entity")
	}
	if err := checkAttributes(e.Attributes); err != nil { // before the copy: they may contain themselves
		return nil, err
	}
	c := e.Clone()
	for i, id := range c.Identifiers {
		c.Identifiers[i] = id.Canonical()
	}
	apply(c.DNS, lower)
	apply(c.IPs, canonicalIP)
	apply(c.Emails, lowerDomain)
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Clone returns a deep copy. Empty lists and maps become nil.
func (e *Entity) Clone() *Entity {
	if e == nil {
		return nil
	}
	c := *e
	c.Identifiers = clone(e.Identifiers)
	c.Groups = clone(e.Groups)
	c.DNS, c.IPs, c.Emails = clone(e.DNS), clone(e.IPs), clone(e.Emails)
	c.URIs, c.Principals = clone(e.URIs), clone(e.Principals)
	c.Tags, c.Attributes = nil, nil
	if len(e.Tags) > 0 {
		c.Tags = maps.Clone(e.Tags)
	}
	if len(e.Attributes) > 0 {
		c.Attributes, _ = cloneJSON(e.Attributes).(map[string]any)
	}
	if e.POSIX != nil {
		p := *e.POSIX
		c.POSIX = &p
	}
	return &c
}

func clone[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

// cloneJSON copies what JSON decodes to; the rest is immutable.
func cloneJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = cloneJSON(e)
		}
		return m
	case []any:
		s := make([]any, len(v))
		for i, e := range v {
			s[i] = cloneJSON(e)
		}
		return s
	}
	return v
}

func apply(s []string, f func(string) string) {
	for i, v := range s {
		s[i] = f(v)
	}
}

// lower touches ASCII letters only, so that no other letter turns into one.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func lowerDomain(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i] + lower(s[i:])
	}
	return s
}

func canonicalIP(s string) string {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	return ip.Unmap().String()
}
