package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The types of events.
const (
	CertificateIssued   Type = "io.chancery.certificate.issued"
	CertificateRenewed  Type = "io.chancery.certificate.renewed"
	CertificateRekeyed  Type = "io.chancery.certificate.rekeyed"
	CertificateRevoked  Type = "io.chancery.certificate.revoked"
	CertificateReleased Type = "io.chancery.certificate.released" // from hold
	CertificateExpiring Type = "io.chancery.certificate.expiring"
	CertificateExpired  Type = "io.chancery.certificate.expired"
	RequestRefused      Type = "io.chancery.request.refused"
	IssuanceAbandoned   Type = "io.chancery.issuance.abandoned" // reserved, perhaps signed, never handed out
	ValidityTruncated   Type = "io.chancery.validity.truncated" // a leaf was cut to its issuer's life
	IssuerExpiring      Type = "io.chancery.issuer.expiring"
	ConfigChanged       Type = "io.chancery.config.changed"
	ConfigRejected      Type = "io.chancery.config.rejected"
	CRLPublished        Type = "io.chancery.crl.published"

	HostChecked  Type = "io.chancery.host.checked"  // somebody about to connect asked whether a host is one of ours
	BastionAsked Type = "io.chancery.bastion.asked" // and through which other one it is reached

	AccountCreated     Type = "io.chancery.account.created"
	AccountUpdated     Type = "io.chancery.account.updated"
	AccountKeyChanged  Type = "io.chancery.account.rekeyed"
	AccountDeactivated Type = "io.chancery.account.deactivated"
	OrderCreated       Type = "io.chancery.order.created"
	OrderFailed        Type = "io.chancery.order.failed"
	ChallengePassed    Type = "io.chancery.challenge.passed"
	ChallengeFailed    Type = "io.chancery.challenge.failed"
)

// Types lists every type, for tests and for sinks that subscribe by name.
func Types() []Type {
	return []Type{
		CertificateIssued, CertificateRenewed, CertificateRekeyed, CertificateRevoked, CertificateReleased,
		CertificateExpiring, CertificateExpired, RequestRefused, IssuanceAbandoned, ValidityTruncated,
		IssuerExpiring, ConfigChanged, ConfigRejected, CRLPublished, HostChecked, BastionAsked,
		AccountCreated, AccountUpdated, AccountKeyChanged, AccountDeactivated, OrderCreated, OrderFailed, ChallengePassed, ChallengeFailed,
	}
}

// Certificate is the data of events about one certificate.
type Certificate struct {
	Serial      string    `json:"serial"` // lower-case hex
	Issuer      string    `json:"issuer"` // the issuer's name in the authority
	Subject     string    `json:"subject"`
	Names       []string  `json:"names,omitempty"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Fingerprint string    `json:"fingerprint,omitempty"` // SHA-256 of the certificate, hex
	Key         string    `json:"key,omitempty"`         // SHA-256 of the public key (SPKI), hex
	Provisioner string    `json:"provisioner,omitempty"`
	Profile     string    `json:"profile,omitempty"`
	Entity      string    `json:"entity,omitempty"`    // the inventory's ID
	Previous    string    `json:"previous,omitempty"`  // serial of the certificate it renews
	RequestID   string    `json:"requestId,omitempty"` // of the HTTP request
}

// Revocation is the data of CertificateRevoked and CertificateReleased.
type Revocation struct {
	Serial      string    `json:"serial"`
	Issuer      string    `json:"issuer,omitempty"`
	Subject     string    `json:"subject,omitempty"`
	ReasonCode  int       `json:"reasonCode"` // RFC 5280, section 5.3.1
	Reason      string    `json:"reason,omitempty"`
	RevokedAt   time.Time `json:"revokedAt"`
	Provisioner string    `json:"provisioner,omitempty"`
	By          string    `json:"by,omitempty"` // subject of the credential
	RequestID   string    `json:"requestId,omitempty"`
}

// Refusal is the data of RequestRefused.
type Refusal struct {
	Operation   string   `json:"operation"`
	Step        string   `json:"step"` // of the pipeline
	Kind        string   `json:"kind"`
	Code        string   `json:"code"`
	Reason      string   `json:"reason"`
	Provisioner string   `json:"provisioner,omitempty"`
	Subject     string   `json:"subject,omitempty"`
	Names       []string `json:"names,omitempty"`
	Serial      string   `json:"serial,omitempty"`
	RequestID   string   `json:"requestId,omitempty"`
}

// Truncation is the data of ValidityTruncated.
type Truncation struct {
	Serial    string    `json:"serial"`
	Issuer    string    `json:"issuer"`
	Requested time.Time `json:"requested"`
	NotAfter  time.Time `json:"notAfter"`
}

// Issuer is the data of IssuerExpiring.
type Issuer struct {
	Name     string    `json:"name"`
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"notAfter"`
}

// CRL is the data of CRLPublished.
type CRL struct {
	Issuer      string    `json:"issuer"`          // the issuer's name in the authority
	Number      string    `json:"number"`          // decimal; RFC 5280, section 5.2.3
	Shard       int       `json:"shard,omitempty"` // 0: the complete CRL of the issuer
	Delta       bool      `json:"delta,omitempty"`
	Base        string    `json:"base,omitempty"` // of a delta: the number of the CRL it adds to
	ThisUpdate  time.Time `json:"thisUpdate"`
	NextUpdate  time.Time `json:"nextUpdate"`
	Entries     int       `json:"entries"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the CRL, hex
}

// Config is the data of ConfigChanged and ConfigRejected.
type Config struct {
	Provisioners []string `json:"provisioners,omitempty"`
	Issuers      []string `json:"issuers,omitempty"`
	Error        string   `json:"error,omitempty"`
}

// Connection is the data of HostChecked and BastionAsked: what a client says that it is about to do. Anybody can
// say that, so sinks that read from an outbox are not told.
type Connection struct {
	Host      string `json:"host"`
	User      string `json:"user,omitempty"`
	Known     bool   `json:"known"`             // the host has a certificate in force
	Bastion   string `json:"bastion,omitempty"` // through which it is reached
	Remote    string `json:"remote,omitempty"`  // address of the client
	RequestID string `json:"requestId,omitempty"`
}

// Account is the data of events about an ACME account.
type Account struct {
	ID          string   `json:"account"`
	Provisioner string   `json:"provisioner"`
	Thumbprint  string   `json:"thumbprint"` // of its key (RFC 7638)
	Contacts    []string `json:"contacts,omitempty"`
	ExternalKey string   `json:"externalKey,omitempty"` // ID of the key that it was bound with
}

// Order is the data of events about an ACME order.
type Order struct {
	ID          string   `json:"order"`
	Provisioner string   `json:"provisioner"`
	Account     string   `json:"account"`
	Identifiers []string `json:"identifiers"` // type:value
	Profile     string   `json:"profile,omitempty"`
	Replaces    string   `json:"replaces,omitempty"` // RFC 9773, section 5
	Problem     string   `json:"problem,omitempty"`  // its type, without the URN's prefix
	Detail      string   `json:"detail,omitempty"`
}

// Challenge is the data of ChallengePassed and ChallengeFailed.
type Challenge struct {
	Type          string `json:"challenge"`
	Provisioner   string `json:"provisioner"`
	Account       string `json:"account"`
	Authorization string `json:"authorization"`
	Identifier    string `json:"identifier"` // type:value
	Wildcard      bool   `json:"wildcard,omitempty"`
	Address       string `json:"address,omitempty"` // that answered
	Problem       string `json:"problem,omitempty"`
	Detail        string `json:"detail,omitempty"` // what the client is told
}

func (Certificate) data() {}
func (Revocation) data()  {}
func (Refusal) data()     {}
func (Truncation) data()  {}
func (Issuer) data()      {}
func (CRL) data()         {}
func (Config) data()      {}
func (Connection) data()  {}
func (Account) data()     {}
func (Order) data()       {}
func (Challenge) data()   {}

// UnmarshalJSON reads what MarshalJSON writes, Data included.
func (e *Event) UnmarshalJSON(b []byte) error {
	var c cloudEvent
	if err := json.Unmarshal(b, &c); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	if c.SpecVersion != "1.0" {
		return fmt.Errorf("event: CloudEvents version %q, not 1.0", c.SpecVersion)
	}
	if c.ID == "" || c.Source == "" {
		return errors.New("event: no id or no source")
	}
	d, err := decodeData(c.Type, c.Data)
	if err != nil {
		return fmt.Errorf("event: data of %s: %w", c.Type, err)
	}
	*e = Event{ID: c.ID, Type: c.Type, Source: c.Source, Subject: c.Subject, Time: c.Time, Data: d}
	return nil
}

func decodeData(t Type, b []byte) (Data, error) {
	switch t {
	case CertificateIssued, CertificateRenewed, CertificateRekeyed, CertificateExpiring, CertificateExpired, IssuanceAbandoned:
		return decode[Certificate](b)
	case CertificateRevoked, CertificateReleased:
		return decode[Revocation](b)
	case RequestRefused:
		return decode[Refusal](b)
	case ValidityTruncated:
		return decode[Truncation](b)
	case IssuerExpiring:
		return decode[Issuer](b)
	case CRLPublished:
		return decode[CRL](b)
	case ConfigChanged, ConfigRejected:
		return decode[Config](b)
	case HostChecked, BastionAsked:
		return decode[Connection](b)
	case AccountCreated, AccountUpdated, AccountKeyChanged, AccountDeactivated:
		return decode[Account](b)
	case OrderCreated, OrderFailed:
		return decode[Order](b)
	case ChallengePassed, ChallengeFailed:
		return decode[Challenge](b)
	}
	return nil, fmt.Errorf("unknown type")
}

func decode[T Data](b []byte) (Data, error) {
	var v T
	if len(b) > 0 {
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, err
		}
	}
	return v, nil
}
