package authority

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
)

// Status is where a record stands.
type Status string

// The states of a record. Revocation is not one: Record.Revocation says it.
const (
	Reserved  Status = "reserved"  // about to be signed
	Issued    Status = "issued"    // signed, and handed out or about to be
	Abandoned Status = "abandoned" // perhaps signed, never handed out; counts as revoked
)

// Record is what the store knows of one certificate.
type Record struct {
	Serial      Serial
	Status      Status
	Operation   provisioner.Operation
	Issuer      string // the issuer's name in the configuration
	Shard       int    // of the issuer's CRL, as its certificate says; 0: only the complete one
	TBS         []byte // the DER of the TBSCertificate, recorded before it was signed
	DER         []byte // the certificate; nil unless issued
	NotBefore   time.Time
	NotAfter    time.Time
	Subject     string   // who asked, as authenticated
	Names       []string // the certificate's subject alternative names
	KeyID       string   // SHA-256 of the SubjectPublicKeyInfo, lower-case hex
	Provisioner string
	Profile     string
	Entity      string // inventory ID
	Identifiers []provisioner.Identifier
	Previous    Serial // the certificate that this one renews or rekeys
	RequestID   string
	ReservedAt  time.Time
	IssuedAt    time.Time // zero unless issued
	Revocation  *Revocation
}

// Certificate parses r.DER.
func (r *Record) Certificate() (*x509.Certificate, error) { return x509.ParseCertificate(r.DER) }

// Text is the certificate as files have it: in PEM, or for SSH as a line of OpenSSH's. It is empty for a
// record without one.
func (r *Record) Text() []byte {
	switch {
	case len(r.DER) == 0:
		return nil
	case !r.IsSSH():
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.DER})
	}
	c, err := r.SSHCertificate()
	if err != nil {
		return nil
	}
	return ssh.MarshalAuthorizedKey(c)
}

// micro is what stores keep of a time: microseconds, in UTC.
func micro(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// checkSerial refuses what is not in the one spelling of a serial.
func checkSerial(s Serial) error {
	if n := s.Int(); n == nil || n.Sign() <= 0 || n.BitLen() > 160 || SerialOf(n) != s {
		return errors.New("authority: the record's serial is not one")
	}
	return nil
}

// clone copies r as a store keeps it.
func (r *Record) clone() *Record {
	c := *r
	c.TBS, c.DER = bytes.Clone(r.TBS), bytes.Clone(r.DER)
	c.Names = append([]string(nil), r.Names...)
	c.Identifiers = append([]provisioner.Identifier(nil), r.Identifiers...)
	for _, t := range []*time.Time{&c.NotBefore, &c.NotAfter, &c.ReservedAt, &c.IssuedAt} {
		*t = micro(*t)
	}
	if r.Revocation != nil {
		v := *r.Revocation
		v.RevokedAt = micro(v.RevokedAt)
		c.Revocation = &v
	}
	return &c
}
