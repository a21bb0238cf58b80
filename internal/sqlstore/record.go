package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
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
		issuer, provisioner, subject, key_id, spend, more, tbs, der)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (serial) DO NOTHING`

	recordColumns = `c.id, c.serial, c.status, c.not_before, c.not_after, c.reserved_at, c.issued_at,
		c.issuer, c.provisioner, c.subject, c.key_id, c.more, c.tbs, c.der,
		v.certificate, v.reason_code, v.reason, v.revoked_at, v.provisioner, v.revoked_by
		FROM certificates c LEFT JOIN revocations v ON v.certificate = c.id`

	insertTerm  = "INSERT INTO terms (term, certificate) VALUES (?, ?)"
	insertTerm2 = "INSERT INTO terms (term, certificate) VALUES (?, ?), (?, ?)"
	insertTerm3 = "INSERT INTO terms (term, certificate) VALUES (?, ?), (?, ?), (?, ?)"
	deleteTerm  = "DELETE FROM terms WHERE term = ? AND certificate = ?"
)

// more is what a record holds beyond its columns.
type more struct {
	Operation   string      `json:"op,omitempty"`
	Names       []string    `json:"names,omitempty"`
	Profile     string      `json:"profile,omitempty"`
	Entity      string      `json:"entity,omitempty"`
	Identifiers [][2]string `json:"ids,omitempty"`
	Previous    string      `json:"prev,omitempty"`
	RequestID   string      `json:"req,omitempty"`
}

// row is a record on its way into the table, encoded before the transaction begins.
type row struct {
	args  []any // of insertCertificate
	terms []int64
}

func newRow(r *authority.Record, status int64, spend []byte, der []byte) (*row, error) {
	serial, err := serialBytes(r.Serial)
	if err != nil {
		return nil, err
	}
	m := more{
		Operation: string(r.Operation), Names: r.Names, Profile: r.Profile, Entity: r.Entity,
		Previous: string(r.Previous), RequestID: r.RequestID,
	}
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
	return &row{
		args: []any{serial, status, r.NotBefore.UnixMicro(), r.NotAfter.UnixMicro(), r.ReservedAt.UnixMicro(), issuedAt.UnixMicro(),
			r.Issuer, r.Provisioner, r.Subject, r.KeyID, orNull(spend), string(extra), notNull(r.TBS), orNull(der)},
		terms: terms(r.Subject, r.Names),
	}, nil
}

// insert adds the row, and its terms, and returns its id. ok is false if the serial exists.
func (r *row) insert(tx Tx) (id int64, ok bool, err error) {
	if id, ok, err = tx.Insert(insertCertificate, r.args...); err != nil || !ok {
		return 0, false, err
	}
	t := r.terms
	for len(t) > 0 && err == nil {
		switch {
		case len(t) >= 3:
			_, err = tx.Exec(insertTerm3, t[0], id, t[1], id, t[2], id)
			t = t[3:]
		case len(t) == 2:
			_, err = tx.Exec(insertTerm2, t[0], id, t[1], id)
			t = nil
		default:
			_, err = tx.Exec(insertTerm, t[0], id)
			t = nil
		}
	}
	return id, true, err
}

// terms lists what a certificate can be found by, without repeats. The key is not among them: each new
// one would touch a page of its own, a tenth of what the store costs, for a search that is rare.
func terms(subject string, names []string) []int64 {
	out := make([]int64, 0, 1+len(names))
	add := func(s string) {
		if t := term(s); s != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	add(subject)
	for _, n := range names {
		add(n)
	}
	return out
}

// readRecord reads a row of recordColumns.
func readRecord(r Row) (*authority.Record, error) {
	status := r.int(2)
	if status < 0 || status >= int64(len(statusOf)) {
		return nil, fmt.Errorf("sqlstore: record %d has the unknown status %d", r.int(0), status)
	}
	var m more
	if err := json.Unmarshal(r.blob(11), &m); err != nil {
		return nil, fmt.Errorf("sqlstore: reading record %d: %w", r.int(0), err)
	}
	rec := &authority.Record{
		Serial: serialOf(r.blob(1)), Status: statusOf[status], Operation: provisioner.Operation(m.Operation), Issuer: r.text(7),
		TBS: r.blob(12), NotBefore: r.time(3), NotAfter: r.time(4), Subject: r.text(9), Names: m.Names, KeyID: r.text(10),
		Provisioner: r.text(8), Profile: m.Profile, Entity: m.Entity, Previous: authority.Serial(m.Previous), RequestID: m.RequestID,
		ReservedAt: r.time(5), IssuedAt: r.time(6),
	}
	rec.DER = joinDER(rec.TBS, r.blob(13))
	for _, i := range m.Identifiers {
		rec.Identifiers = append(rec.Identifiers, provisioner.Identifier{Kind: i[0], Value: i[1]})
	}
	if r[14] != nil {
		rec.Revocation = &authority.Revocation{
			Serial: rec.Serial, ReasonCode: int(r.int(15)), Reason: r.text(16), RevokedAt: r.time(17),
			Provisioner: r.text(18), By: r.text(19),
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

// splitDER returns the TBS of a certificate, and what the database keeps beside it. The TBS is nil for
// something that joinDER would not put together again byte by byte.
func splitDER(der []byte) (tbs, rest []byte) {
	s := cryptobyte.String(der)
	var inner, first cryptobyte.String
	if s.ReadASN1(&inner, asn1.SEQUENCE) && s.Empty() && inner.ReadASN1Element(&first, asn1.SEQUENCE) {
		rest = append(make([]byte, 1, 1+len(inner)), inner...)
		if bytes.Equal(joinDER(first, rest), der) {
			return first, rest
		}
	}
	return nil, wholeDER(der)
}

func wholeDER(der []byte) []byte { return append([]byte{1}, der...) }

func joinDER(tbs, kept []byte) []byte {
	if len(kept) == 0 {
		return nil
	}
	if kept[0] == 1 {
		return kept[1:]
	}
	n := len(tbs) + len(kept) - 1
	der := make([]byte, 0, n+6)
	switch {
	case n < 0x80:
		der = append(der, 0x30, byte(n))
	case n < 0x100:
		der = append(der, 0x30, 0x81, byte(n))
	case n < 0x10000:
		der = append(der, 0x30, 0x82, byte(n>>8), byte(n))
	default:
		der = append(der, 0x30, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(append(der, tbs...), kept[1:]...)
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
