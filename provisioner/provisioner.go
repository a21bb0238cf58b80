package provisioner

import (
	"context"
	"crypto/x509"
	"time"
)

// A Provisioner answers one question: may this credential have what it asks for? It never sees a
// signing key and issues nothing.
//
// Authorize returns what the credential is allowed at most, or a [*Refusal]. An operation that a
// provisioner does not know is refused with [NotAllowed]: silence is never consent. Authorize must be
// safe for concurrent use and must not keep r.
//
// Abilities beyond this are small interfaces of their own ([Claimer], [Marker], [Publisher]); a
// decorator that has Unwrap() Provisioner lets [As] see through it.
type Provisioner interface {
	// Name is stable: it is written to the store with every certificate.
	Name() string
	Authorize(ctx context.Context, r *Request) (*Grant, error)
}

// An Operation is what a request wants done. The set is closed: a provisioner switches on it and
// refuses in the default branch.
type Operation string

// The operations of the X.509 authority.
const (
	X509Sign   Operation = "x509/sign"   // a new certificate for Request.CSR
	X509Renew  Operation = "x509/renew"  // Request.Certificate again, same key and names, later end
	X509Rekey  Operation = "x509/rekey"  // Request.Certificate again with the key of Request.CSR
	X509Revoke Operation = "x509/revoke" // end the life of serial Request.Serial
)

// The operations of the SSH authority.
const (
	SSHSign   Operation = "ssh/sign"   // a new certificate for Request.SSH.Key
	SSHRenew  Operation = "ssh/renew"  // Request.SSH.Certificate again, same key and principals, later end
	SSHRekey  Operation = "ssh/rekey"  // Request.SSH.Certificate again, for Request.SSH.Key
	SSHRevoke Operation = "ssh/revoke" // end the life of serial Request.Serial
)

// Operations lists every operation there is, for tests that must cover all of them.
func Operations() []Operation {
	return []Operation{X509Sign, X509Renew, X509Rekey, X509Revoke, SSHSign, SSHRenew, SSHRekey, SSHRevoke}
}

// A Request is a credential and what it is shown for. The pipeline fills it; fields that do not apply
// to the operation are zero.
type Request struct {
	Operation Operation

	// Token is the credential exactly as sent, unverified: a compact JWS, unless the request named its
	// provisioner, which may then take anything. Empty when the credential is a TLS client certificate
	// or a caller in this process.
	Token string

	// Audiences are the URLs at which this authority serves Operation, as [MatchAudience] reads them.
	// A token that names none of them was meant for somebody else.
	Audiences []string

	// Roots are the SHA-256 fingerprints (lower-case hex) of the authority's roots, for the sha claim.
	Roots []string

	// CSR is parsed; the pipeline verifies its signature afterwards. Nil for renew and revoke.
	CSR *x509.CertificateRequest

	// SSH is what the request says about an SSH certificate; nil for X.509.
	SSH *SSHRequest

	// Certificate is the X.509 certificate acted on by renew and rekey, and by revoke where the caller
	// proved possession of its key. It was issued by this authority and is not revoked; it may have
	// expired.
	Certificate *x509.Certificate

	// Serial is what revoke acts on: lower-case hex without leading zeros.
	Serial string

	// Proof says how the caller of renew, rekey and revoke proved that it holds Certificate's key.
	Proof Proof

	// Local is true only when the request was made by code in this process that said so. No handler
	// ever sets it.
	Local bool

	// UserData is what the request wants to tell the template. It proves nothing.
	UserData map[string]any

	// Now is the moment of judgement; the zero value means time.Now().
	Now time.Time
}

// Time returns r.Now, or the present when it is zero.
func (r *Request) Time() time.Time {
	if r.Now.IsZero() {
		return time.Now()
	}
	return r.Now
}

// Proof is the way in which possession of a certificate's key was shown.
type Proof int

// The ways, and the lack of one.
const (
	NoProof  Proof = iota // none, or the token is the only credential
	TLSProof              // the certificate authenticated the TLS connection
	JWSProof              // a JWS made with the certificate's key, for certificates that have expired
)

// A Grant is the most that a credential may get. The zero Grant grants nothing: no name, no principal.
type Grant struct {
	// Subject is who asks, as authenticated: never text from a CSR. It becomes the common name unless
	// the template says otherwise, and is recorded with the certificate.
	Subject string

	// Names are the most the certificate may carry; the default template carries all of them, whatever
	// the CSR asks for. A CSR that asks for something else is the provisioner's to refuse, as
	// [GrantedNames] does.
	Names Names

	// SSH is the most that an SSH certificate may be, for the operations that issue one. Nil grants none.
	SSH *SSHGrant

	// AnyName lifts the bound of Names: every name in the CSR is granted. Policy still applies.
	AnyName bool

	// Identifiers are what the inventory is asked for, most telling first.
	Identifiers []Identifier

	// Validity bounds the certificate beside the profile's own limits.
	Validity Validity

	// Claims are what the credential said, for inventory, policy and templates (.Token).
	Claims map[string]any

	// Certificate is the credential's own certificate where it has one, for templates
	// (.AuthorizationCrt).
	Certificate *x509.Certificate

	// Spend identifies the one-time credential. The zero value means that it may be used again.
	Spend Spend

	// Profile asks for a profile by name; empty is the provisioner's default one.
	Profile string

	// Mark is what the provisioner extension of the certificate says.
	Mark Mark
}

// Validity bounds a certificate's life. Zero fields do not bound.
type Validity struct {
	NotBefore time.Time     // the certificate must not begin earlier (backdating apart)
	NotAfter  time.Time     // the certificate must not end later
	Max       time.Duration // it must not live longer
}

// Spend identifies a credential that works once. ID is unique within an authority's store; the
// record of it may be forgotten after Until, when the credential has expired by itself.
type Spend struct {
	ID    string
	Until time.Time
}

// IsZero reports whether nothing is spent.
func (s Spend) IsZero() bool { return s.ID == "" }

// Identifier is one way in which a credential names somebody: a kind and a value, compared exactly.
type Identifier struct{ Kind, Value string }

// The kinds of identifiers that the provisioners of this module use.
const (
	Subject        = "subject"         // the token's subject, as is
	HostName       = "hostname"        // a DNS name in lower case
	Email          = "email"           // an address, domain in lower case
	IPAddress      = "ip"              // an address in netip's canonical form
	URI            = "uri"             // an absolute URI, SPIFFE IDs among them
	InstanceID     = "instance-id"     // a machine's id at its cloud
	KeyFingerprint = "key-fingerprint" // SHA-256 of the SubjectPublicKeyInfo, lower-case hex
)

// Mark is the content of step's provisioner extension (OID 1.3.6.1.4.1.37476.9000.64.1), by which
// step-ca's clients and a CA that lost its database tell who let a certificate be issued.
type Mark struct {
	Type          Type
	CredentialID  string
	KeyValuePairs []string // k1, v1, k2, v2, …
}

// Type numbers the kinds of provisioners as step's extension does. Zero is none of them.
type Type int

// The types of step's provisioner extension.
const (
	TypeJWK    Type = 1
	TypeOIDC   Type = 2
	TypeGCP    Type = 3
	TypeAWS    Type = 4
	TypeAzure  Type = 5
	TypeACME   Type = 6
	TypeX5C    Type = 7
	TypeK8sSA  Type = 8
	TypeSSHPOP Type = 9
	TypeSCEP   Type = 10
	TypeNebula Type = 11
)

// A Claimer recognises the tokens that claim to be its own, before anything is verified. The
// authority asks each provisioner in order when a request does not name one; the first that answers
// true judges the token, and nobody else does.
type Claimer interface{ Claims(t *Token) bool }

// A Marker recognises the marks it has made, so that a certificate without a record in the store
// (issued by the CA this one replaces) finds its provisioner again.
type Marker interface{ Marked(m Mark) bool }

// A Publisher has a public form: what step-ca's clients read from /provisioners. Public returns a
// value for encoding/json and never a secret. EncryptedKey returns the private key, encrypted, of the
// key with that id, as a compact JWE.
type Publisher interface {
	Public() any
	EncryptedKey(kid string) (jwe string, ok bool)
}

// As finds the first T in p's chain of Unwrap() Provisioner.
func As[T any](p Provisioner) (T, bool) {
	for p != nil {
		if t, ok := p.(T); ok {
			return t, true
		}
		u, ok := p.(interface{ Unwrap() Provisioner })
		if !ok {
			break
		}
		p = u.Unwrap()
	}
	var zero T
	return zero, false
}
