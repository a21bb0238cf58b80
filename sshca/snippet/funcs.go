package snippet

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
)

// funcs are the functions that step's own templates use, and their nearest relatives. What comes through
// a pipe is the last argument.
func funcs() template.FuncMap {
	return template.FuncMap{
		"b64dec": func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err
		},
		"b64enc":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"contains":   func(part, s string) bool { return strings.Contains(s, part) },
		"default":    func(value, s string) string { return firstOf(s, value) },
		"empty":      func(s string) bool { return s == "" },
		"coalesce":   firstOf,
		"hasPrefix":  func(p, s string) bool { return strings.HasPrefix(s, p) },
		"hasSuffix":  func(p, s string) bool { return strings.HasSuffix(s, p) },
		"lower":      strings.ToLower,
		"replace":    func(from, to, s string) string { return strings.ReplaceAll(s, from, to) },
		"toString":   toString,
		"trim":       strings.TrimSpace,
		"trimPrefix": func(p, s string) string { return strings.TrimPrefix(s, p) },
		"trimSuffix": func(p, s string) string { return strings.TrimSuffix(s, p) },
		"upper":      strings.ToUpper,
	}
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

func toString(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// parseError says of functions that are missing which there are.
func parseError(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	if _, rest, ok := strings.Cut(text, `function "`); ok {
		if f, ok := strings.CutSuffix(rest, `" not defined`); ok {
			line, _, _ := strings.Cut(strings.TrimPrefix(text, name+":"), ":")
			return fmt.Errorf("line %s: the function %q does not exist; those that do are %s and those of text/template",
				line, f, strings.Join(slices.Sorted(maps.Keys(funcs())), ", "))
		}
	}
	return errors.New(text)
}
