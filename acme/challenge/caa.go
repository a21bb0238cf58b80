package challenge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// caaTimeout bounds the climb, whatever its length.
const caaTimeout = 20 * time.Second

// CheckCAA asks whether the owner of a domain lets this CA, by one of c.Issuers, issue for it (RFC 8659) to
// that account after that challenge (RFC 8657). It returns a [*acme.Problem] of type CAA if not, and of type
// DNSProblem if it cannot be found out. Addresses have no CAA.
func CheckCAA(ctx context.Context, r Resolver, c *acme.Validation, method acme.ChallengeType) error {
	if c.Identifier.Type != acme.DNS {
		return nil
	}
	if len(c.Issuers) == 0 {
		return errors.New("challenge: CAA cannot be checked: the CA has no name")
	}
	inner, cancel := context.WithTimeout(ctx, caaTimeout)
	defer cancel()
	for at := c.Identifier.Base().Value; at != ""; _, at, _ = strings.Cut(at, ".") {
		records, err := r.LookupCAA(inner, at)
		if err != nil && !errors.Is(err, ErrNoName) {
			return fail(ctx, acme.DNSProblem, err, "%s: the CAA records of %s could not be looked up", c.Identifier.Value, at)
		}
		if len(records) == 0 {
			continue
		}
		if why := forbids(records, c, method); why != "" {
			return fail(ctx, acme.CAA, nil, "%s: the CAA records of %s %s", c.Identifier.Value, at, why)
		}
		return nil
	}
	return nil
}

// critical is the flag of RFC 8659, section 4.1: bit 0, which is the first.
const critical = 0x80

// forbids judges the records of one name, and says why they do not let the CA issue.
func forbids(records []CAARecord, c *acme.Validation, method acme.ChallengeType) string {
	var issue, wild []string
	for _, r := range records {
		switch strings.ToLower(r.Tag) {
		case "issue":
			issue = append(issue, r.Value)
		case "issuewild":
			wild = append(wild, r.Value)
		case "iodef", "contactemail", "contactphone", "issuemail", "issuevmc": // known, and not about this
		default:
			if r.Flag&critical != 0 {
				return "have a critical property that this CA does not know"
			}
		}
	}
	if (c.Wildcard || c.Identifier.Wildcard()) && len(wild) > 0 {
		issue = wild
	}
	if len(issue) == 0 || slices.ContainsFunc(issue, func(s string) bool { return permits(s, c, method) }) {
		return ""
	}
	return "do not let this CA issue for it to that account after that challenge"
}

// permits reports whether one property lets the CA issue. One that is malformed does not (RFC 8659, section
// 4.2), nor does one with a restriction that is.
func permits(value string, c *acme.Validation, method acme.ChallengeType) bool {
	v, ok := parseIssueValue(value)
	if !ok || !v.isFor(c.Issuers) {
		return false
	}
	if uri, ok := v.params["accounturi"]; ok && (uri == "" || uri != c.AccountURL) {
		return false
	}
	if methods, ok := v.params["validationmethods"]; ok && !listed(methods, string(method)) {
		return false
	}
	return true
}

// listed reads validationmethods (RFC 8657, section 4): names between commas.
func listed(methods, method string) bool {
	here := false
	for m := range strings.SplitSeq(methods, ",") {
		for i := range len(m) {
			if !letter(m[i]) && !digit(m[i]) && m[i] != '-' {
				return false
			}
		}
		if m == "" {
			return false
		}
		here = here || m == method
	}
	return here
}

// WithCAA returns v with [CheckCAA] after it: what v validates is refused if the owner of the domain wants no
// certificates from this CA. r must be able to ask for CAA; see [NewClient].
func WithCAA(v acme.Validator, r Resolver) acme.Validator { return caaChecked{v, r} }

type caaChecked struct {
	acme.Validator
	resolver Resolver
}

// Unwrap returns the validator behind it.
func (v caaChecked) Unwrap() acme.Validator { return v.Validator }

func (v caaChecked) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	e, err := v.Validator.Validate(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := CheckCAA(ctx, v.resolver, c, v.Type()); err != nil {
		return nil, err
	}
	return e, nil
}
