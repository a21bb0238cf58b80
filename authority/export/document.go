package export

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca"
)

// document is a record as JSON has it. The order of its fields is that of the members.
type document struct {
	Serial        authority.Serial `json:"serial"`
	SerialDecimal string           `json:"serialDecimal"`
	Status        authority.Status `json:"status"`
	Operation     string           `json:"operation,omitempty"`
	Issuer        string           `json:"issuer,omitempty"`
	Shard         int              `json:"shard,omitempty"`
	Subject       string           `json:"subject,omitempty"`
	Names         []string         `json:"names,omitempty"`
	NotBefore     time.Time        `json:"notBefore"`
	NotAfter      time.Time        `json:"notAfter"`
	Key           string           `json:"key,omitempty"`
	Provisioner   string           `json:"provisioner,omitempty"`
	Profile       string           `json:"profile,omitempty"`
	Entity        string           `json:"entity,omitempty"`
	Identifiers   []identifier     `json:"identifiers,omitempty"`
	Previous      authority.Serial `json:"previous,omitempty"`
	RequestID     string           `json:"requestId,omitempty"`
	ReservedAt    time.Time        `json:"reservedAt"`
	IssuedAt      time.Time        `json:"issuedAt,omitzero"`
	Revocation    *revocation      `json:"revocation,omitempty"`
	Certificate   string           `json:"certificate,omitempty"`
	TBS           []byte           `json:"tbs,omitempty"`
}

type identifier struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type revocation struct {
	ReasonCode  int       `json:"reasonCode"`
	Reason      string    `json:"reason,omitempty"`
	RevokedAt   time.Time `json:"revokedAt"`
	Provisioner string    `json:"provisioner,omitempty"`
	By          string    `json:"by,omitempty"`
}

const pemType = "CERTIFICATE"

func documentOf(r *authority.Record) *document {
	d := &document{
		Serial: r.Serial, SerialDecimal: r.Serial.Decimal(), Status: r.Status, Operation: string(r.Operation), Issuer: r.Issuer,
		Shard: r.Shard, Subject: r.Subject, Names: r.Names, NotBefore: micro(r.NotBefore), NotAfter: micro(r.NotAfter), Key: r.KeyID,
		Provisioner: r.Provisioner, Profile: r.Profile, Entity: r.Entity, Previous: r.Previous, RequestID: r.RequestID,
		ReservedAt: micro(r.ReservedAt), IssuedAt: micro(r.IssuedAt),
	}
	for _, i := range r.Identifiers {
		d.Identifiers = append(d.Identifiers, identifier(i))
	}
	if v := r.Revocation; v != nil {
		d.Revocation = &revocation{v.ReasonCode, v.Reason, micro(v.RevokedAt), v.Provisioner, v.By}
	}
	if d.Certificate = string(r.Text()); d.Certificate == "" {
		d.TBS = r.TBS
	}
	return d
}

// micro is what records have of a time: microseconds, in UTC.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Parse reads what [JSONLines] writes for one record. A member that it does not know is an error, and so is a
// certificate that is not the one of its serial.
func Parse(line []byte) (*authority.Record, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var d document
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("export: more text after the record")
	}
	r, err := d.record()
	if err != nil {
		return nil, fmt.Errorf("export: record %.50q: %w", d.Serial, err)
	}
	return r, nil
}

func (d *document) record() (*authority.Record, error) {
	for _, s := range []authority.Serial{d.Serial, d.Previous} {
		if n := s.Int(); s != "" && (n == nil || n.Sign() <= 0 || n.BitLen() > 160 || authority.SerialOf(n) != s) {
			return nil, fmt.Errorf("%.50q is not a serial", s)
		}
	}
	if d.Serial == "" || d.Serial.Decimal() != d.SerialDecimal {
		return nil, errors.New("serial and serialDecimal are not the same number")
	}
	for _, t := range []time.Time{d.NotBefore, d.NotAfter, d.ReservedAt, d.IssuedAt, d.revokedAt()} {
		if y := t.UTC().Year(); y < 1 || y > 9999 { // in UTC it could not be written again
			return nil, fmt.Errorf("the year %d", y)
		}
	}
	switch d.Status {
	case authority.Reserved, authority.Issued, authority.Abandoned:
	default:
		return nil, fmt.Errorf("there is no status %.50q", d.Status)
	}
	r := &authority.Record{
		Serial: d.Serial, Status: d.Status, Operation: provisioner.Operation(d.Operation), Issuer: d.Issuer, Shard: d.Shard,
		Subject: d.Subject, Names: d.Names, NotBefore: micro(d.NotBefore), NotAfter: micro(d.NotAfter), KeyID: d.Key,
		Provisioner: d.Provisioner, Profile: d.Profile, Entity: d.Entity, Previous: d.Previous, RequestID: d.RequestID,
		ReservedAt: micro(d.ReservedAt), IssuedAt: micro(d.IssuedAt), TBS: d.TBS,
	}
	if len(r.Names) == 0 {
		r.Names = nil
	}
	if len(r.TBS) == 0 {
		r.TBS = nil
	}
	for _, i := range d.Identifiers {
		r.Identifiers = append(r.Identifiers, provisioner.Identifier(i))
	}
	if v := d.Revocation; v != nil {
		r.Revocation = &authority.Revocation{
			Serial: d.Serial, ReasonCode: v.ReasonCode, Reason: v.Reason, RevokedAt: micro(v.RevokedAt), Provisioner: v.Provisioner, By: v.By,
		}
	}
	return r, d.certificate(r)
}

func (d *document) revokedAt() time.Time {
	if d.Revocation == nil {
		return d.ReservedAt
	}
	return d.Revocation.RevokedAt
}

// certificate takes the certificate into r, and what was recorded before it was signed, which is a part of it.
func (d *document) certificate(r *authority.Record) error {
	if d.Certificate == "" {
		return nil
	}
	if len(d.TBS) > 0 {
		return errors.New("there are both certificate and tbs")
	}
	if r.IsSSH() {
		return d.sshCertificate(r)
	}
	block, rest := pem.Decode([]byte(d.Certificate))
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("certificate is not one certificate in PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return err
	case authority.SerialOf(c.SerialNumber) != r.Serial:
		return fmt.Errorf("the certificate has the serial %s", authority.SerialOf(c.SerialNumber))
	}
	r.DER, r.TBS = c.Raw, c.RawTBSCertificate
	return nil
}

func (d *document) sshCertificate(r *authority.Record) error {
	k, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(d.Certificate))
	c, ok := k.(*ssh.Certificate)
	switch {
	case err != nil || !ok || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0:
		return errors.New("certificate is not one SSH certificate")
	case authority.SSHSerialOf(c) != r.Serial:
		return fmt.Errorf("the certificate has the serial %s", authority.SSHSerialOf(c))
	}
	r.DER, r.TBS = c.Marshal(), sshca.Unsigned(c)
	return nil
}
