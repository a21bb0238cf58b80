package challenge

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// DNSPersist01 is dns-persist-01 (draft-ietf-acme-dns-persist-02): a TXT record below _validation-persist that
// names the CA and the account, and stays. A wildcard needs policy=wildcard in it. Records at a parent domain
// are not looked for.
//
// Evidence has in Data the record's "accounturi", to be kept for when the account's key changes, and, if it
// is limited, "persistUntil", a [time.Time] after which what was found must not be used.
type DNSPersist01 struct{ cfg Config }

// NewDNSPersist01 returns the validator. It needs AccountHashPrefixes, or PlainAccountURI.
func NewDNSPersist01(c Config) (*DNSPersist01, error) {
	if len(c.AccountHashPrefixes) == 0 && !c.PlainAccountURI || slices.Contains(c.AccountHashPrefixes, "") {
		return nil, errors.New("challenge: dns-persist-01 needs AccountHashPrefixes, none of them empty, or PlainAccountURI")
	}
	c, err := c.withDefaults()
	return &DNSPersist01{c}, err
}

// Type returns dns-persist-01.
func (v *DNSPersist01) Type() acme.ChallengeType { return acme.DNSPersist01 }

// Offers is true for names, wildcards among them.
func (v *DNSPersist01) Offers(id acme.Identifier) bool { return id.Type == acme.DNS }

// Validate implements [acme.Validator]. Token and KeyAuthorization are not used: the challenge has none.
func (v *DNSPersist01) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := usable(v, c); err != nil {
		return nil, err
	}
	accounts := v.accounts(c)
	if len(c.Issuers) == 0 || len(accounts) == 0 {
		return nil, errors.New("challenge: dns-persist-01 needs the CA's names, and the account's URL and thumbprint")
	}
	name := "_validation-persist." + c.Identifier.Value
	records, err := v.cfg.txt(ctx, name)
	if err != nil {
		return nil, err
	}
	why := errNotOurs
	for _, txt := range records {
		r, err := parsePersist(txt)
		if err == nil {
			err = r.grants(c, accounts, time.Now())
		}
		if err == nil {
			return r.evidence(), nil
		}
		if r.isFor(c.Issuers) { // of this CA's records, say what is wrong with the last
			why = err
		}
	}
	return nil, fail(ctx, acme.Unauthorized, why, "%s: %v", name, why)
}

// accounts lists every accounturi that is the account's.
func (v *DNSPersist01) accounts(c *acme.Validation) []string {
	var out []string
	if c.AccountURL == "" {
		return nil
	}
	for _, prefix := range v.cfg.AccountHashPrefixes {
		if c.Thumbprint != "" {
			out = append(out, HashedAccountURI(prefix, c.Identifier.Value, c.Thumbprint, c.AccountURL),
				HashedAccountURI(prefix, "*", c.Thumbprint, c.AccountURL))
		}
	}
	if v.cfg.PlainAccountURI {
		out = append(out, c.AccountURL)
	}
	return out
}

// HashedAccountURI returns an account's name in records of dns-persist-01 (draft 02): domain is the one that
// the record is for, in lower case, or "*" for any; thumbprint is that of the account's key, in base64url.
func HashedAccountURI(prefix, domain, thumbprint, accountURL string) string {
	if len(domain) > 255 {
		return "" // no domain is: the length has one byte
	}
	h := sha256.Sum256([]byte(string([]byte{byte(len(domain))}) + domain + thumbprint + accountURL))
	return prefix + "sha-256/" + base64.RawURLEncoding.EncodeToString(h[:])
}

// persistRecord is a record of dns-persist-01.
type persistRecord struct {
	issueValue
	until time.Time // zero: no end
}

// What is wrong with a record, in words that clients may read.
var (
	errNotOurs = errors.New("none of the TXT records is for this CA")
	errRecord  = errors.New("a TXT record is malformed")
	errAccount = errors.New("the TXT record is for another account, or key")
	errPast    = errors.New("the TXT record is past its persistUntil")
	errNarrow  = errors.New("the TXT record does not say policy=wildcard")
)

func parsePersist(txt string) (persistRecord, error) {
	v, ok := parseIssueValue(txt)
	if !ok {
		return persistRecord{}, errNotOurs // whose it is, nobody can say
	}
	r := persistRecord{issueValue: v}
	if s, ok := v.params["persistuntil"]; ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || s[0] == '+' || n > 1<<40 { // beyond that, years have more digits than dates
			return r, fmt.Errorf("%w: persistUntil", errRecord)
		}
		r.until = time.Unix(n, 0)
	}
	return r, nil
}

// grants returns nil if the record lets the account prove what c asks for.
func (r persistRecord) grants(c *acme.Validation, accounts []string, now time.Time) error {
	switch {
	case !r.isFor(c.Issuers):
		return errNotOurs
	case !slices.Contains(accounts, r.params["accounturi"]):
		return errAccount
	case !r.until.IsZero() && now.After(r.until):
		return errPast
	case c.Wildcard && !strings.EqualFold(r.params["policy"], "wildcard"):
		return errNarrow
	}
	return nil
}

func (r persistRecord) evidence() *acme.Evidence {
	e := &acme.Evidence{Data: map[string]any{"accounturi": r.params["accounturi"]}}
	if !r.until.IsZero() {
		e.Data["persistUntil"] = r.until
	}
	return e
}
