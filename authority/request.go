package authority

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// Request asks for a certificate: a new one, one again, or one again with another key.
type Request struct {
	Operation provisioner.Operation // default provisioner.X509Sign

	// Provisioner names who judges the credential. Empty: found by the token, or, for renew and rekey,
	// by the record of the certificate.
	Provisioner string
	Profile     string // one that the provisioner's binding lists; empty: the binding's own

	// Token is the credential as sent: a one-time token, or for renew the JWS made with the
	// certificate's key.
	Token string

	CSR         *x509.CertificateRequest // sign and rekey
	Certificate *x509.Certificate        // renew and rekey: what is to be had again

	// Proof is TLSProof when the caller has seen Certificate authenticate a TLS connection.
	Proof provisioner.Proof

	// Local says that the caller is this program itself, which provisioner.Local accepts. Never set it
	// from something that came over a network.
	Local bool

	NotBefore, NotAfter When
	UserData            map[string]any // for the template, as .Insecure.User
	RequestID           string         // goes into records and events
}

// RevokeRequest asks for the end of a certificate.
type RevokeRequest struct {
	Operation   provisioner.Operation // default provisioner.X509Revoke; or provisioner.SSHRevoke
	Provisioner string
	Serial      Serial
	Token       string

	// Certificate, with Proof, lets whoever holds the key of a certificate revoke it without a token.
	Certificate *x509.Certificate
	Proof       provisioner.Proof
	Local       bool   // the program itself asks; Provisioner may stay empty
	By          string // with Local and without Provisioner: who asked the program, for the record

	ReasonCode int // RFC 5280, section 5.3.1: 0 to 10 without 7 and 8
	Reason     string
	RequestID  string
}

// Certificate is what an authority issued.
type Certificate struct {
	Leaf  *x509.Certificate
	Chain []*x509.Certificate // Leaf first, then up; without the root

	Record    *Record
	Truncated bool // it ends with its issuer, earlier than it would have
}

// When is a moment as step's API writes it: absolute, relative, or not said. The zero value is not said.
type When struct {
	Time     time.Time
	Duration time.Duration
}

// ParseWhen reads "", an RFC 3339 time or a Go duration. The zero time means not said.
func ParseWhen(s string) (When, error) {
	if s == "" {
		return When{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		if t.IsZero() {
			return When{}, nil
		}
		return When{Time: t}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return When{}, fmt.Errorf("authority: %.60q is neither an RFC 3339 time nor a duration", s)
	}
	return When{Duration: d}, nil
}

// IsZero reports whether nothing was said.
func (w When) IsZero() bool { return w.Time.IsZero() && w.Duration == 0 }

func (w When) from(t time.Time) time.Time {
	if w.Duration != 0 {
		return t.Add(w.Duration)
	}
	return w.Time
}

// Step names a stage of the pipeline.
type Step string

// The steps of the pipeline, in order.
const (
	StepAuthenticate Step = "authenticate"
	StepLookup       Step = "look up"
	StepDecide       Step = "decide"
	StepRender       Step = "render"
	StepCheck        Step = "check"
	StepReserve      Step = "reserve"
	StepSign         Step = "sign"
	StepCompare      Step = "compare"
	StepCommit       Step = "commit"
)

// Decision is everything known about a request when the last word is spoken.
type Decision struct {
	Operation   provisioner.Operation
	Provisioner string
	Profile     string
	Grant       *provisioner.Grant
	Entity      *inventory.Entity        // nil: none looked up, or unknown where that is allowed
	Names       provisioner.Names        // the most that the certificate may carry
	CSR         *x509.CertificateRequest // nil for renewals
	Previous    *x509.Certificate        // nil for new certificates
	SSH         *SSHDecision             // for SSH certificates, which have no names but principals; else nil
	NotBefore   time.Time
	NotAfter    time.Time
	RequestID   string
}

// clone returns a copy that shares nothing that matters with d.
func (d *Decision) clone() *Decision {
	c := *d
	c.Names = d.Names.Clone()
	if d.SSH != nil {
		own := *d.SSH
		own.Principals = slices.Clone(own.Principals)
		c.SSH = &own
	}
	if d.Grant != nil {
		g := *d.Grant
		if g.SSH != nil {
			own := *g.SSH
			own.Principals = slices.Clone(own.Principals)
			g.SSH = &own
		}
		g.Names, g.Identifiers, g.Claims = g.Names.Clone(), slices.Clone(g.Identifiers), maps.Clone(g.Claims)
		c.Grant = &g
	}
	if d.Entity != nil {
		c.Entity = d.Entity.Clone()
	}
	return &c
}

// Explanation is the trace of a request through steps 1 to 5, of which nothing was signed, spent or
// recorded.
type Explanation struct {
	Steps    []Trace
	Policies []PolicyTrace // what each policy that was asked said of each name
	Decision *Decision
	Template *x509.Certificate // what would be signed; nil when refused, and for SSH
	TBS      []byte            // its encoding, with a serial made up for the occasion; nil when refused

	SSHTemplate *template.SSHCertificate // what would be signed; nil when refused, and for X.509

	Err *Error // the refusal, nil when it would be issued
}

// Trace is one step's outcome.
type Trace struct {
	Step    Step
	Outcome string // "ok" or "refused"
	Detail  string
}

// PolicyTrace is one policy's word on every name.
type PolicyTrace struct {
	Whose    string // "the authority", `profile "x"`, `provisioner "y"`
	Verdicts []policy.Verdict
}
