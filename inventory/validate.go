package inventory

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of one entity. They are far above what a catalogue holds, and keep one entry from filling it.
const (
	maxText  = 1024 // bytes of one string
	maxItems = 10_000
	maxDepth = 16 // of attributes
)

// Validate reports the first thing that is wrong with e, as an error that is [ErrInvalid]:
//
//   - ID is 1 to 255 bytes of letters, digits and -._~:@+=
//   - Kind is one of the four
//   - identifiers have a kind of lower-case letters, digits and hyphens and a value, and differ from one
//     another in canonical form
//   - every string is UTF-8 without control characters, at most 1024 bytes long, and no list names
//     anything twice
//   - tag keys have no "=", principals no comma, and no field of POSIX a colon
//   - DNS, IPs, Emails and URIs look like what they are; whether they may be certified is decided
//     elsewhere
//   - attributes are what JSON decodes to: nil, bool, float64, string, []any, map[string]any
func (e *Entity) Validate() error {
	_, err := Canonical(e)
	return err
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// validate judges an entity in canonical form.
func (e *Entity) validate() error {
	if e.ID == "" || len(e.ID) > 255 || strings.ContainsFunc(e.ID, notInID) {
		return invalid("id %.60q", e.ID)
	}
	switch e.Kind {
	case Person, Host, Service, Place:
	default:
		return invalid("%s: kind %.60q", e.ID, string(e.Kind))
	}
	if !isText(e.Name) {
		return invalid("%s: name", e.ID)
	}
	if err := e.validateIdentifiers(); err != nil {
		return err
	}
	if len(e.Tags) > maxItems {
		return invalid("%s: more than %d tags", e.ID, maxItems)
	}
	for k, v := range e.Tags {
		if k == "" || strings.Contains(k, "=") || !isText(k) || !isText(v) {
			return invalid("%s: tag %.60q", e.ID, k)
		}
	}
	for _, l := range []struct {
		field string
		list  []string
		ok    func(string) bool
	}{
		{"groups", e.Groups, isText},
		{"dns", e.DNS, isDNS},
		{"ips", e.IPs, isIP},
		{"emails", e.Emails, isEmail},
		{"uris", e.URIs, isURI},
		{"principals", e.Principals, isPrincipal},
	} {
		if err := e.validateList(l.field, l.list, l.ok); err != nil {
			return err
		}
	}
	return e.validatePOSIX()
}

const idCharset = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@+="

func notInID(r rune) bool { return !strings.ContainsRune(idCharset, r) }

func notInKind(r rune) bool {
	return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
}

func (e *Entity) validateIdentifiers() error {
	if len(e.Identifiers) > maxItems {
		return invalid("%s: more than %d identifiers", e.ID, maxItems)
	}
	seen := make(map[Identifier]bool, len(e.Identifiers))
	for _, i := range e.Identifiers {
		switch {
		case i.Kind == "" || len(i.Kind) > 64 || strings.ContainsFunc(i.Kind, notInKind):
			return invalid("%s: identifier of kind %.60q", e.ID, i.Kind)
		case i.Value == "" || !isText(i.Value):
			return invalid("%s: %s identifier %.60q", e.ID, i.Kind, i.Value)
		case i.Kind == "hostname" && !isDNS(i.Value), i.Kind == "email" && !isEmail(i.Value), i.Kind == "ip" && !isIP(i.Value):
			return invalid("%s: %.60q is no %s", e.ID, i.Value, i.Kind)
		case seen[i]:
			return invalid("%s: %s %.60q twice", e.ID, i.Kind, i.Value)
		}
		seen[i] = true
	}
	return nil
}

func (e *Entity) validateList(field string, list []string, ok func(string) bool) error {
	if len(list) > maxItems {
		return invalid("%s: more than %d in %s", e.ID, maxItems, field)
	}
	seen := make(map[string]bool, len(list))
	for _, v := range list {
		if v == "" || !isText(v) || !ok(v) {
			return invalid("%s: %.60q in %s", e.ID, v, field)
		}
		if seen[v] {
			return invalid("%s: %.60q twice in %s", e.ID, v, field)
		}
		seen[v] = true
	}
	return nil
}

// validatePOSIX keeps out what would add a field or a line to a passwd file.
func (e *Entity) validatePOSIX() error {
	if e.POSIX == nil {
		return nil
	}
	if u := e.POSIX.User; u == "" || strings.HasPrefix(u, "-") || strings.ContainsAny(u, " /,") {
		return invalid("%s: posix user %.60q", e.ID, u)
	}
	for _, v := range []string{e.POSIX.User, e.POSIX.Home, e.POSIX.Shell} {
		if !isText(v) || strings.Contains(v, ":") {
			return invalid("%s: posix %.60q", e.ID, v)
		}
	}
	return nil
}

func isText(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// isDNS is generous: what is wrong with a name is for the authority to say.
func isDNS(s string) bool {
	return s != "" && !strings.ContainsAny(s, " ,/@:") && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".")
}

func isIP(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Zone() == ""
}

func isEmail(s string) bool {
	user, domain, ok := strings.Cut(s, "@")
	return ok && user != "" && !strings.ContainsAny(user, " ,") && isDNS(domain)
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != ""
}

func isPrincipal(s string) bool { return !strings.Contains(s, ",") }

func checkAttributes(m map[string]any) error {
	if m == nil {
		return nil
	}
	n := 0
	return checkJSON(m, maxDepth, &n)
}

func checkJSON(v any, depth int, n *int) error {
	if *n++; depth == 0 || *n > maxItems {
		return invalid("attributes deeper than %d or with more than %d values", maxDepth, maxItems)
	}
	switch v := v.(type) {
	case nil, bool:
	case string:
		if !utf8.ValidString(v) {
			return invalid("attributes that are not UTF-8")
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return invalid("attribute %v", v)
		}
	case []any:
		for _, e := range v {
			if err := checkJSON(e, depth-1, n); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range v {
			if !utf8.ValidString(k) {
				return invalid("attributes that are not UTF-8")
			}
			if err := checkJSON(e, depth-1, n); err != nil {
				return err
			}
		}
	default:
		return invalid("attribute of type %T, which JSON does not decode to", v)
	}
	return nil
}
