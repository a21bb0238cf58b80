package provisioner

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"
)

// Limits of one-time tokens.
const (
	// Leeway is how far clocks may differ.
	Leeway = time.Minute

	// DefaultMaxLife is how far ahead a one-time token may expire unless its provisioner says otherwise:
	// as far as step's clients let one be made.
	DefaultMaxLife = time.Hour
)

// Claims are what a token says, as step's clients write it (RFC 7519 and step's own additions). Only
// [ParseClaims] makes them, from a payload whose signature has been verified.
type Claims struct {
	ID           string // jti
	Issuer       string
	Subject      string
	Audience     []string
	Expires      time.Time
	NotBefore    time.Time      // zero when not said
	IssuedAt     time.Time      // zero when not said
	SANs         []string       // sans
	Root         string         // sha: the root that the token's maker saw
	Confirmation string         // cnf x5rt#S256: SHA-256 of the one CSR the token is for, in base64url
	All          map[string]any // everything, as encoding/json reads it
}

// ParseClaims reads the payload of a verified token. It refuses what two readers could read differently:
// no object, a key twice, a claim of another type than it should have, text that is no UTF-8. A claim
// that is null is as good as absent.
func ParseClaims(payload []byte) (*Claims, error) {
	m, err := DecodeObject(payload)
	if err != nil {
		return nil, Refuse(Unauthenticated, "claims", "token claims are not a JSON object with each key once")
	}
	c := &Claims{All: m}
	ok := claim(m, "jti", &c.ID) && claim(m, "iss", &c.Issuer) && claim(m, "sub", &c.Subject) &&
		claim(m, "sha", &c.Root) && moment(m, "exp", &c.Expires) && moment(m, "nbf", &c.NotBefore) &&
		moment(m, "iat", &c.IssuedAt) && list(m, "sans", &c.SANs)
	if s, isString := m["aud"].(string); isString {
		c.Audience = []string{s}
	} else {
		ok = ok && list(m, "aud", &c.Audience)
	}
	var cnf map[string]any
	ok = ok && claim(m, "cnf", &cnf) && claim(cnf, "x5rt#S256", &c.Confirmation)
	if !ok {
		return nil, Refuse(Unauthenticated, "claims", "a claim of the token has the wrong type")
	}
	if cnf != nil && c.Confirmation == "" { // bound to something that we cannot check
		return nil, Refuse(Unauthenticated, "cnf", "token asks for a confirmation that is not known here")
	}
	return c, nil
}

// claim reads m[k] into p. It reports false when there is a value of another type.
func claim[T any](m map[string]any, k string, p *T) bool {
	v, ok := m[k]
	if !ok || v == nil {
		return true
	}
	*p, ok = v.(T)
	return ok
}

// moment reads a NumericDate (RFC 7519, section 2) between 1970 and 9999.
func moment(m map[string]any, k string, p *time.Time) bool {
	v, ok := m[k]
	if !ok || v == nil {
		return true
	}
	f, ok := v.(float64)
	if !ok || !(f > 0 && f < 253402300800) {
		return false
	}
	sec, frac := math.Modf(f)
	*p = time.Unix(int64(sec), int64(frac*1e9))
	return true
}

func list(m map[string]any, k string, p *[]string) bool {
	var a []any
	if !claim(m, k, &a) {
		return false
	}
	for _, v := range a {
		s, ok := v.(string)
		if !ok {
			return false
		}
		*p = append(*p, s)
	}
	return true
}

// ClaimRules say which tokens a provisioner believes.
type ClaimRules struct {
	Issuer   string        // what iss must be
	Fragment string        // what the audience must end in, "x5c/name"; empty means no fragment
	MaxLife  time.Duration // how far ahead a token may expire; zero means DefaultMaxLife
}

// Check judges the claims that are the same for every operation: whose token it is, for whom it was
// made, and when. A one-time token without expiry is refused, because nobody could ever forget that it
// was spent. iat may lie before this process started.
func (c *Claims) Check(r *Request, rules ClaimRules) error {
	now, life := r.Time(), rules.MaxLife
	if life <= 0 {
		life = DefaultMaxLife
	}
	no := func(code, reason string) error { return Refuse(Unauthenticated, code, "%s", reason) }
	switch {
	case rules.Issuer == "" || c.Issuer != rules.Issuer:
		return no("issuer", "token is by another issuer")
	case c.Subject == "":
		return no("subject", "token has no subject")
	case !MatchAudience(c.Audience, r.Audiences, rules.Fragment):
		return no("audience", "token was made for another authority, operation or provisioner")
	case c.Expires.IsZero():
		return no("expiry", "token does not expire")
	case !now.Before(c.Expires.Add(Leeway)):
		return no("expired", "token has expired")
	case c.NotBefore.After(now.Add(Leeway)):
		return no("not-before", "token is not valid yet")
	case c.IssuedAt.After(now.Add(Leeway)):
		return no("issued-in-future", "token was issued in the future")
	case c.Expires.After(now.Add(life + Leeway)):
		return no("lifetime", "token lives longer than allowed")
	case !c.rootIn(r.Roots):
		return no("sha", "token was made for an authority with another root")
	}
	return nil
}

// rootIn reports whether the sha claim fits. Some clients put other things there, which say nothing
// about roots: only what looks like a fingerprint is judged.
func (c *Claims) rootIn(roots []string) bool {
	if len(c.Root) != hex.EncodedLen(sha256.Size) || len(roots) == 0 {
		return true
	}
	if _, err := hex.DecodeString(c.Root); err != nil {
		return true
	}
	return slices.Contains(roots, strings.ToLower(c.Root))
}

// Confirms reports whether the token may be used for a CSR of that DER: it names this one or none.
func (c *Claims) Confirms(csr []byte) bool {
	if c.Confirmation == "" {
		return true
	}
	sum := sha256.Sum256(csr)
	return c.Confirmation == base64.RawURLEncoding.EncodeToString(sum[:])
}

// Spend identifies the token among all that the provisioner of that name will ever see: by its jti, or
// else by what its signature covers. The signature itself is left out: of an ECDSA signature everybody
// can make a second valid one.
func (c *Claims) Spend(name, signingInput string) Spend {
	h := sha256.New()
	if c.ID != "" {
		h.Write([]byte("jti:" + c.ID))
	} else {
		h.Write([]byte("jws:" + signingInput))
	}
	return Spend{ID: name + "/" + hex.EncodeToString(h.Sum(nil)), Until: c.Expires.Add(Leeway)}
}
