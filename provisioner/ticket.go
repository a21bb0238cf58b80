package provisioner

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"time"
)

// Ticket is what the maker of a one-time token decides: the other end of [Claims]. The signers of the
// packages jwk and x5c turn it into a token.
type Ticket struct {
	Audience string   // the URL the token is for: the authority's, with /1.0/sign or /1.0/revoke
	Subject  string   // who it is for; for revoke, the serial in decimal
	SANs     []string // the names it grants; empty means the subject

	SSH *SSHTicket // makes it a token for an SSH certificate, with /1.0/ssh/sign; nil for others

	Root *x509.Certificate        // the authority's root, which the token's user may learn from it
	CSR  *x509.CertificateRequest // the only one it may be used for; nil leaves it open

	Life  time.Duration  // zero means 5 minutes
	Now   time.Time      // zero means time.Now()
	Extra map[string]any // further claims; those above win
}

// SSHTicket is what a token says about the SSH certificate that it is for, in the spelling of step's
// clients. Zero fields leave it to the request or, for key id and principals, are the token's subject.
type SSHTicket struct {
	CertType    string   `json:"certType"` // "user" or "host"
	KeyID       string   `json:"keyID"`
	Principals  []string `json:"principals"`
	ValidAfter  string   `json:"validAfter"` // RFC 3339, or a Go duration from now
	ValidBefore string   `json:"validBefore"`
}

// Payload returns the claims as JSON, issued by that issuer, with a fresh jti.
func (t Ticket) Payload(issuer string) ([]byte, error) {
	if issuer == "" || t.Audience == "" || t.Subject == "" {
		return nil, errors.New("provisioner: a token needs issuer, audience and subject")
	}
	now, life := t.Now, t.Life
	if now.IsZero() {
		now = time.Now()
	}
	if life <= 0 {
		life = 5 * time.Minute
	}
	id := make([]byte, 32)
	rand.Read(id) // never fails since Go 1.24
	c := maps.Clone(t.Extra)
	if c == nil {
		c = make(map[string]any)
	}
	c["jti"], c["iss"], c["aud"], c["sub"] = hex.EncodeToString(id), issuer, t.Audience, t.Subject
	c["iat"], c["nbf"], c["exp"] = now.Unix(), now.Unix(), now.Add(life).Unix()
	if len(t.SANs) > 0 {
		c["sans"] = t.SANs
	}
	if t.SSH != nil {
		c["step"] = map[string]any{"ssh": t.SSH}
	}
	if t.Root != nil {
		sum := sha256.Sum256(t.Root.Raw)
		c["sha"] = hex.EncodeToString(sum[:])
	}
	if t.CSR != nil {
		sum := sha256.Sum256(t.CSR.Raw)
		c["cnf"] = map[string]string{"x5rt#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	}
	return json.Marshal(c)
}
