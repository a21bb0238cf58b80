package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

const (
	reserved int64 = iota
	issued
	abandoned
)

var statusOf = [...]authority.Status{reserved: authority.Reserved, issued: authority.Issued, abandoned: authority.Abandoned}

func statusCode(s authority.Status) int64 { return int64(slices.Index(statusOf[:], s)) }

const (
	insertCertificate = `INSERT INTO certificates (serial, status, not_before, not_after, reserved_at, issued_at,
		issuer, shard, provisioner, profile, subject, key_id, entity, spend, more, tbs, der)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (serial) DO NOTHING`

	recordColumns = `SELECT c.id, c.serial, c.status, c.not_before, c.not_after, c.reserved_at, c.issued_at,
		c.issuer, c.shard, c.provisioner, c.profile, c.subject, c.key_id, c.entity, c.more, c.tbs, c.der,
		v.certificate, v.reason_code, v.reason, v.at, v.provisioner, v.revoked_by`
	withRevocation = " LEFT JOIN revocations v ON v.certificate = c.id AND v.kind = 0"
	selectRecord   = recordColumns + " FROM certificates c" + withRevocation
)

// more is what a record holds beyond its columns.
type more struct {
	Operation   string      `json:"op,omitempty"`
	Names       []string    `json:"names,omitempty"`
	Identifiers [][2]string `json:"ids,omitempty"`
	Previous    string      `json:"prev,omitempty"`
	RequestID   string      `json:"req,omitempty"`
}

// row is a record on its way into the table, encoded before the transaction begins.
type row struct {
	certificate       // but for the id
	args        []any // of insertCertificate
	terms       []int64
}

func newRow(r *authority.Record, status int64, spend []byte, der []byte) (*row, error) {
	serial, err := serialBytes(r.Serial)
	if err != nil {
		return nil, err
	}
	m := more{Operation: string(r.Operation), Names: r.Names, Previous: string(r.Previous), RequestID: r.RequestID}
	for _, i := range r.Identifiers {
		m.Identifiers = append(m.Identifiers, [2]string{i.Kind, i.Value})
	}
	extra, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: encoding the record of %s: %w", r.Serial, err)
	}
	issuedAt := r.IssuedAt
	if status == reserved {
		issuedAt = zeroTime
	}
	c := certificate{
		status: status, issuer: r.Issuer, shard: int64(r.Shard), serial: serial,
		notAfter: r.NotAfter.UnixMicro(), reservedAt: r.ReservedAt.UnixMicro(),
	}
	return &row{
		certificate: c,
		args: []any{serial, status, r.NotBefore.UnixMicro(), c.notAfter, c.reservedAt, issuedAt.UnixMicro(),
			r.Issuer, c.shard, r.Provisioner, r.Profile, r.Subject, r.KeyID, r.Entity,
			orNull(spend), string(extra), notNull(r.TBS), orNull(der)},
		terms: terms(r.Subject, r.KeyID, r.Entity, r.Names),
	}, nil
}

// insert adds the row, and its terms, and returns its id. ok is false if the serial exists.
func (r *row) insert(tx Tx) (id int64, ok bool, err error) {
	if id, ok, err = tx.Insert(insertCertificate, r.args...); err != nil || !ok {
		return 0, false, err
	}
	return id, true, insertTerms(tx, r.terms, r.reservedAt, id)
}

// readRecord reads a row of recordColumns.
func readRecord(r Row) (*authority.Record, error) {
	status := r.int(2)
	if status < 0 || status >= int64(len(statusOf)) {
		return nil, fmt.Errorf("sqlstore: record %d has the unknown status %d", r.int(0), status)
	}
	var m more
	if err := json.Unmarshal(r.blob(14), &m); err != nil {
		return nil, fmt.Errorf("sqlstore: reading record %d: %w", r.int(0), err)
	}
	rec := &authority.Record{
		Serial: serialOf(r.blob(1)), Status: statusOf[status], Operation: provisioner.Operation(m.Operation),
		Issuer: r.text(7), Shard: int(r.int(8)), TBS: r.blob(15), NotBefore: r.time(3), NotAfter: r.time(4),
		Subject: r.text(11), Names: m.Names, KeyID: r.text(12), Provisioner: r.text(9), Profile: r.text(10), Entity: r.text(13),
		Previous: authority.Serial(m.Previous), RequestID: m.RequestID, ReservedAt: r.time(5), IssuedAt: r.time(6),
	}
	rec.DER = joinDER(rec.TBS, r.blob(16))
	for _, i := range m.Identifiers {
		rec.Identifiers = append(rec.Identifiers, provisioner.Identifier{Kind: i[0], Value: i[1]})
	}
	if r[17] != nil {
		rec.Revocation = &authority.Revocation{
			Serial: rec.Serial, ReasonCode: int(r.int(18)), Reason: r.text(19), RevokedAt: r.time(20),
			Provisioner: r.text(21), By: r.text(22),
		}
	}
	return rec, nil
}

// clone copies a record, so that a callback cannot change the original.
func clone(r *authority.Record) *authority.Record {
	c := *r
	c.TBS, c.DER = bytes.Clone(r.TBS), bytes.Clone(r.DER)
	c.Names, c.Identifiers = slices.Clone(r.Names), slices.Clone(r.Identifiers)
	if r.Revocation != nil {
		v := *r.Revocation
		c.Revocation = &v
	}
	return &c
}

func orNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
