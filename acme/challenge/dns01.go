package challenge

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-ca/chancery/acme"
)

// DNS01 is dns-01 (RFC 8555, section 8.4): a TXT record below _acme-challenge. Other records may stand beside
// it.
type DNS01 struct{ cfg Config }

// NewDNS01 returns the validator. It uses the Resolver and the Timeout of c only.
func NewDNS01(c Config) (*DNS01, error) {
	c, err := c.withDefaults()
	return &DNS01{c}, err
}

// Type returns dns-01.
func (v *DNS01) Type() acme.ChallengeType { return acme.DNS01 }

// Offers is true for names, wildcards among them.
func (v *DNS01) Offers(id acme.Identifier) bool { return id.Type == acme.DNS }

// Validate implements [acme.Validator].
func (v *DNS01) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := keyed(v, c); err != nil {
		return nil, err
	}
	return v.cfg.digestAt(ctx, "_acme-challenge."+c.Identifier.Value, c)
}

// DNSAccount01 is dns-account-01 (draft-ietf-acme-dns-account-label-02): dns-01 at a name that is the account's
// own, so that several may prove the same domain.
type DNSAccount01 struct{ cfg Config }

// NewDNSAccount01 returns the validator. It uses the Resolver and the Timeout of c only.
func NewDNSAccount01(c Config) (*DNSAccount01, error) {
	c, err := c.withDefaults()
	return &DNSAccount01{c}, err
}

// Type returns dns-account-01.
func (v *DNSAccount01) Type() acme.ChallengeType { return acme.DNSAccount01 }

// Offers is true for names, wildcards among them.
func (v *DNSAccount01) Offers(id acme.Identifier) bool { return id.Type == acme.DNS }

// Validate implements [acme.Validator].
func (v *DNSAccount01) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := keyed(v, c); err != nil {
		return nil, err
	}
	if c.AccountURL == "" {
		return nil, errors.New("challenge: dns-account-01 without an account")
	}
	return v.cfg.digestAt(ctx, "_"+AccountLabel(c.AccountURL)+"._acme-challenge."+c.Identifier.Value, c)
}

// AccountLabel returns the label of an account in dns-account-01, without the underscore: 16 letters and digits.
func AccountLabel(accountURL string) string {
	h := sha256.Sum256([]byte(accountURL))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h[:10])) // 80 bits: no padding
}

// digestAt looks for the digest of the key authorization among the TXT records of a name.
func (c Config) digestAt(ctx context.Context, name string, val *acme.Validation) (*acme.Evidence, error) {
	records, err := c.txt(ctx, name)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(val.KeyAuthorization))
	if !slices.Contains(records, base64.RawURLEncoding.EncodeToString(digest[:])) {
		return nil, fail(ctx, acme.IncorrectResponse, nil, "%s: none of the TXT records is the one of the challenge", name)
	}
	return &acme.Evidence{}, nil
}

// txt looks up records and makes problems of there being none.
func (c Config) txt(ctx context.Context, name string) ([]string, error) {
	inner, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	records, err := c.Resolver.LookupTXT(inner, name)
	switch {
	case errors.Is(err, ErrNoName):
		return nil, fail(ctx, acme.DNSProblem, err, "%s: there is no such name", name)
	case err != nil:
		return nil, fail(ctx, acme.DNSProblem, err, "%s: the TXT records could not be looked up", name)
	case len(records) > maxRecords:
		return nil, fail(ctx, acme.DNSProblem, fmt.Errorf("challenge: %d records", len(records)), "%s: there are too many TXT records", name)
	case len(records) == 0:
		return nil, fail(ctx, acme.Unauthorized, nil, "%s: there are no TXT records", name)
	}
	return records, nil
}
