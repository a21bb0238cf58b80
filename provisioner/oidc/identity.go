package oidc

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/chancery-ca/chancery/provisioner"
)

// ByEmail is the usual [Config.Identity]: the subject and the e-mail address. X.509 names are the address
// and the URI issuer#subject, SSH principals those of [Principals]. An address that two readers could read
// as two people's is an error.
func ByEmail(claims map[string]any) (*Identity, error) {
	sub, _ := claims["sub"].(string)
	iss, _ := claims["iss"].(string)
	email, _ := claims["email"].(string)
	i := &Identity{Subject: sub, Email: email, Groups: stringsOf(claims["groups"])}
	if email != "" {
		n := provisioner.ParseNames([]string{email})
		if len(n.Emails) != 1 || !isAddress(email) {
			return nil, errors.New("the e-mail address is none")
		}
		i.Email, i.Names.Emails = n.Emails[0], n.Emails
		i.Principals = Principals(email)
	}
	if u, err := url.Parse(iss); err == nil {
		u.Fragment = sub
		i.Names.URIs = []string{u.String()}
	}
	return i, nil
}

// isAddress wants one at sign with something on either side, and nothing that cannot be seen: quoted local
// parts (RFC 5321, section 4.1.2), which could hold all that, are nobody's in practice.
func isAddress(email string) bool {
	local, domain, ok := strings.Cut(email, "@")
	return ok && local != "" && domain != "" && !strings.Contains(domain, "@") &&
		!strings.ContainsFunc(email, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) })
}

// Principals are step's for an e-mail address: its local part as the name of an account, its local part as
// it is, and the whole, each once. A local part with a comma gives only the first, and one with an at sign
// does not stand for itself: it could be the whole address of somebody else.
func Principals(email string) []string {
	local, _, ok := strings.Cut(email, "@")
	if i := strings.LastIndexByte(email, '@'); i >= 0 {
		local = email[:i]
	}
	if !ok || local == "" {
		return nil
	}
	var out []string
	for _, s := range []string{account(local), local, email} {
		if s == local && strings.ContainsRune(s, '@') {
			continue
		}
		if s != "" && !slices.Contains(out, s) && !strings.ContainsRune(s, ',') {
			out = append(out, s)
		}
	}
	return out
}

// account makes the name of an account: lower case, no dots, and an underscore for what cannot be in one.
func account(local string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(local) {
		switch {
		case r == '.':
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-':
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// stringsOf reads a claim that is a string or a list of them. Other elements are left out.
func stringsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
