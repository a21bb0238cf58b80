package challenge

import "strings"

// issueValue is what CAA properties issue and issuewild say, and records of dns-persist-01 (RFC 8659, section
// 4.2).
type issueValue struct {
	domain string            // in lower case; empty: nobody
	params map[string]string // by tag in lower case
}

// parseIssueValue holds s to the grammar, the one of RFC 8659 to the letter. A tag twice is refused: which of
// the two counts, nobody says.
func parseIssueValue(s string) (issueValue, bool) {
	v := issueValue{params: map[string]string{}}
	domain, rest, more := strings.Cut(s, ";")
	if domain = trimWSP(domain); domain != "" {
		for label := range strings.SplitSeq(domain, ".") {
			if !isTag(label) { // before case is folded, which turns some other letters into ASCII
				return v, false
			}
		}
	}
	v.domain = strings.ToLower(domain)
	if rest = trimWSP(rest); !more || rest == "" {
		return v, true
	}
	for p := range strings.SplitSeq(rest, ";") {
		tag, value, ok := strings.Cut(p, "=")
		tag, value = trimWSP(tag), trimWSP(value)
		lower := strings.ToLower(tag)
		if _, twice := v.params[lower]; !ok || twice || !isTag(tag) || !isValue(value) {
			return v, false
		}
		v.params[lower] = value
	}
	return v, true
}

func trimWSP(s string) string { return strings.Trim(s, " \t") }

// isTag is the grammar of labels and tags alike: letters and digits, with hyphens between them.
func isTag(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && !digit(c) && (c != '-' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return s != ""
}

func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == ';' {
			return false
		}
	}
	return true
}

// isFor reports whether one of the CA's names is the domain.
func (v issueValue) isFor(issuers []string) bool {
	for _, i := range issuers {
		if i != "" && strings.ToLower(strings.TrimSuffix(i, ".")) == v.domain {
			return true
		}
	}
	return false
}
