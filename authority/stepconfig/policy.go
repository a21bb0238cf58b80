package stepconfig

import (
	"errors"

	"github.com/chancery-ca/chancery/authority/policy"
)

// names is a policy's section, and what it says. nil says nothing.
type names struct {
	*node
	policy.Config
}

// readNames reads allow and deny. Its faults stand at the pattern that is wrong.
func readNames(s *section) *names {
	rules := func(key string) policy.Rules {
		r := s.section(key)
		defer r.close()
		return policy.Rules{
			DNS: r.strings("dns"), IP: r.strings("ip"), Email: r.strings("email"), URI: r.strings("uri"), CommonName: r.strings("cn"),
		}
	}
	n := &names{s.node, policy.Config{Allow: rules("allow"), Deny: rules("deny"), AllowWildcards: s.boolean("allowWildcardNames")}}
	s.close()
	n.check(s)
	return n
}

// check reports the patterns that are none.
func (n *names) check(s *section) {
	if _, err := policy.New(n.Config); err != nil {
		s.patterns(err)
	}
}

// patterns reports what package policy found, each where it stands.
func (s *section) patterns(err error) {
	all := []error{err}
	if j, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // errors.Join's own
		all = j.Unwrap()
	}
	for _, err := range all {
		if p, ok := errors.AsType[*policy.PatternError](err); ok {
			s.faults.add(s.find(p.List), "pattern %.100q %s", p.Pattern, p.Reason)
			continue
		}
		s.faults.wrap(s.node, err)
	}
}

// find walks to a node below n by its path, and stops where there is nothing further.
func (n *node) find(path string) *node {
	want := join(n.path, path)
	for {
		next := n.below(want)
		if next == nil {
			return n
		}
		n = next
	}
}

func (n *node) below(want string) *node {
	list, _ := n.value.([]*node)
	for _, k := range n.keys {
		list = append(list, n.members[k])
	}
	for _, m := range list {
		if rest := len(m.path); len(want) >= rest && want[:rest] == m.path && (len(want) == rest || want[rest] == '.' || want[rest] == '[') {
			return m
		}
	}
	return nil
}

// compiled returns the policy, nil when nothing was said. Its patterns are known to be good.
func (n *names) compiled() (*policy.Policy, error) {
	if n == nil {
		return nil, nil
	}
	return policy.New(n.Config)
}
