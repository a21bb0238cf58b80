package inventory

import (
	"slices"
	"strings"
)

// Match reports whether f chooses e, Cursor and Limit apart.
func (f Filter) Match(e *Entity) bool {
	switch {
	case f.Kind != "" && e.Kind != f.Kind,
		f.Active != nil && e.Active != *f.Active,
		f.Group != "" && !slices.Contains(e.Groups, f.Group):
		return false
	}
	if f.Tag == "" {
		return true
	}
	k, want, given := strings.Cut(f.Tag, "=")
	v, ok := e.Tags[k]
	return ok && (!given || v == want)
}

// Size returns the number of entities that f's Limit means.
func (f Filter) Size() int {
	switch {
	case f.Limit <= 0:
		return 100
	case f.Limit > 1000:
		return 1000
	}
	return f.Limit
}
