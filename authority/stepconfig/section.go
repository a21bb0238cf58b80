package stepconfig

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// section reads the members of an object and remembers which ones somebody asked for. What is left
// when it is closed is a setting that nobody knows.
type section struct {
	*node
	faults *faults
	asked  map[string]bool
}

func open(n *node, f *faults) *section {
	if n.members == nil && n.value != nil {
		f.add(n, "must be an object, is %s", n.kind())
	}
	return &section{node: n, faults: f, asked: map[string]bool{}}
}

// take returns the member, or nil when it is absent or null.
func (s *section) take(key string) *node {
	s.asked[key] = true
	if n, ok := s.members[key]; ok && (n.value != nil || n.members != nil) {
		return n
	}
	return nil
}

// at returns the member's place for error messages, or the section's own when it is absent.
func (s *section) at(key string) *node {
	if n, ok := s.members[key]; ok {
		return n
	}
	return &node{file: s.file, line: s.line, path: join(s.path, key)}
}

func (s *section) section(key string) *section {
	n := s.take(key)
	if n == nil {
		n = s.at(key)
		n = &node{file: n.file, line: n.line, path: n.path}
	}
	return open(n, s.faults)
}

func (s *section) empty() bool { return len(s.members) == 0 }

func (s *section) str(key string) string {
	n := s.take(key)
	if n == nil {
		return ""
	}
	v, ok := n.value.(string)
	if !ok {
		s.faults.add(n, "must be a string, is %s", n.kind())
	}
	return v
}

func (s *section) required(key string) string {
	v := s.str(key)
	if n, ok := s.members[key]; v == "" && (!ok || n.value == nil || n.value == "") {
		s.faults.add(s.at(key), "is missing")
	}
	return v
}

func (s *section) boolean(key string) bool {
	n := s.take(key)
	if n == nil {
		return false
	}
	v, ok := n.value.(bool)
	if !ok {
		s.faults.add(n, "must be true or false, is %s", n.kind())
	}
	return v
}

// duration returns nil when the member is absent.
func (s *section) duration(key string) *time.Duration {
	n := s.take(key)
	if n == nil {
		return nil
	}
	v, ok := n.value.(string)
	if !ok {
		s.faults.add(n, `must be a duration such as "24h" or "30m", is %s`, n.kind())
		return nil
	}
	d, err := time.ParseDuration(v)
	switch {
	case err != nil:
		s.faults.add(n, `%q is not a duration such as "24h" or "30m"`, v)
		return nil
	case d < 0:
		s.faults.add(n, "must not be negative")
		return nil
	}
	return &d
}

func (s *section) number(key string) float64 {
	n := s.take(key)
	if n == nil {
		return 0
	}
	v, ok := n.value.(json.Number)
	if !ok {
		s.faults.add(n, "must be a number, is %s", n.kind())
		return 0
	}
	f, err := v.Float64()
	if err != nil {
		s.faults.add(n, "%s is out of range", v)
	}
	return f
}

func (s *section) list(key string) []*node {
	n := s.take(key)
	if n == nil {
		return nil
	}
	v, ok := n.value.([]*node)
	if !ok {
		s.faults.add(n, "must be a list, is %s", n.kind())
	}
	return v
}

func (s *section) strings(key string) []string {
	var out []string
	for _, n := range s.list(key) {
		v, ok := n.value.(string)
		if !ok {
			s.faults.add(n, "must be a string, is %s", n.kind())
			continue
		}
		out = append(out, v)
	}
	return out
}

// ignore accepts members whatever they say. Each use says why that is right.
func (s *section) ignore(keys ...string) {
	for _, k := range keys {
		s.asked[k] = true
	}
}

// unsupported accepts members that say nothing (null, false, zero, empty) and reports any other.
func (s *section) unsupported(reason string, keys ...string) {
	for _, k := range keys {
		if n := s.take(k); n != nil && !n.blank() {
			s.faults.add(n, "%s", reason)
		}
	}
}

func (n *node) blank() bool {
	if n.members != nil {
		for _, m := range n.members {
			if !m.blank() {
				return false
			}
		}
		return true
	}
	switch v := n.value.(type) {
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		f, err := v.Float64()
		return err == nil && f == 0
	case []*node:
		return len(v) == 0
	}
	return true
}

// close reports the members that nobody asked for.
func (s *section) close() {
	for _, k := range s.keys {
		if s.asked[k] {
			continue
		}
		hint := ""
		for _, known := range sorted(s.asked) {
			if strings.EqualFold(known, k) {
				hint = "; did you mean " + known + "?"
			}
		}
		s.faults.add(s.members[k], "is not a setting that is known here%s", hint)
	}
}

func sorted(m map[string]bool) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
