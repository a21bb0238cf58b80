package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// A Witness is a Tx that hears of every change to what CRLs say, with all that it takes to make that change
// again in a copy of the database that lacks it. What it hears is undone if the transaction is.
type Witness interface {
	Standing(*Standing)
	Numbered(*CRLNumber)
}

const (
	standingColumns = `SELECT c.serial, c.status, c.not_before, c.not_after, c.reserved_at, c.issued_at, c.issuer, c.shard,
		c.provisioner, c.profile, c.subject, c.key_id, c.entity, c.more, v.kind, v.reason_code, v.reason, v.at,
		v.provisioner, v.revoked_by, v.abandoned_at, v.revision, v.certificate
		FROM revocations v JOIN certificates c ON c.id = v.certificate`
	selectStanding  = standingColumns + " WHERE v.certificate = ?"
	selectStandings = standingColumns + " WHERE v.certificate > ? ORDER BY v.certificate LIMIT ?"
	raiseCounter    = "UPDATE counters SET value = ? WHERE name = ? AND value < ?"
)

// Standing is what CRLs have to say of one certificate, whole: not a step but where it led to, so that of
// several only the last one counts. Times are microseconds since 1970.
type Standing struct {
	Serial      authority.Serial `json:"serial"`
	Status      int64            `json:"status"`
	NotBefore   int64            `json:"not_before"`
	NotAfter    int64            `json:"not_after"`
	ReservedAt  int64            `json:"reserved_at"`
	IssuedAt    int64            `json:"issued_at"`
	Issuer      string           `json:"issuer"`
	Shard       int64            `json:"shard,omitempty"`
	Provisioner string           `json:"provisioner,omitempty"`
	Profile     string           `json:"profile,omitempty"`
	Subject     string           `json:"subject,omitempty"`
	KeyID       string           `json:"key,omitempty"`
	Entity      string           `json:"entity,omitempty"`
	More        more             `json:"more"`

	Kind        int64  `json:"kind"` // 0 revoked, 1 abandoned, 2 released
	ReasonCode  int64  `json:"reason_code,omitempty"`
	Reason      string `json:"reason,omitempty"`
	At          int64  `json:"at"`
	By          string `json:"by,omitempty"`
	ByWay       string `json:"by_provisioner,omitempty"`
	AbandonedAt *int64 `json:"abandoned_at,omitempty"`
	Revision    int64  `json:"revision"`
}

// Check refuses what no store has written.
func (s *Standing) Check() error {
	if _, err := serialBytes(s.Serial); err != nil {
		return err
	}
	if s.Status < 0 || s.Status >= int64(len(statusOf)) || s.Kind < revoked || s.Kind > released || s.Revision < 0 {
		return fmt.Errorf("sqlstore: the standing of %s is none", s.Serial)
	}
	return nil
}

// Shorten leaves out what can be long.
func (s *Standing) Shorten() { s.More, s.Subject, s.Reason = more{}, "", "" }

// tell tells a Witness how things stand with a certificate, after a change.
func tell(tx Tx, id int64) error {
	w, ok := tx.(Witness)
	if !ok {
		return nil
	}
	return tx.Query(selectStanding, func(r Row) error {
		s, err := readStanding(r)
		if err == nil {
			w.Standing(s)
		}
		return err
	}, id)
}

// Standings calls f for up to limit certificates with ids above after, and returns the last of them; 0 if
// there is none.
func Standings(tx Tx, after int64, limit int, f func(*Standing) error) (last int64, err error) {
	err = tx.Query(selectStandings, func(r Row) error {
		s, err := readStanding(r)
		if err != nil {
			return err
		}
		last = r.int(22)
		return f(s)
	}, after, int64(limit))
	return last, err
}

func readStanding(r Row) (*Standing, error) {
	s := &Standing{
		Serial: serialOf(r.blob(0)), Status: r.int(1), NotBefore: r.int(2), NotAfter: r.int(3), ReservedAt: r.int(4), IssuedAt: r.int(5),
		Issuer: r.utf8(6), Shard: r.int(7), Provisioner: r.utf8(8), Profile: r.utf8(9), Subject: r.utf8(10), KeyID: r.utf8(11), Entity: r.utf8(12),
		Kind: r.int(14), ReasonCode: r.int(15), Reason: r.utf8(16), At: r.int(17), ByWay: r.utf8(18), By: r.utf8(19), Revision: r.int(21),
	}
	if err := json.Unmarshal(r.blob(13), &s.More); err != nil {
		return nil, fmt.Errorf("sqlstore: reading the record of %s: %w", s.Serial, err)
	}
	if r[20] != nil {
		at := r.int(20)
		s.AbandonedAt = &at
	}
	return s, nil
}

// utf8 returns a text as JSON keeps it.
func (r Row) utf8(i int) string { return strings.ToValidUTF8(r.text(i), "\uFFFD") }

// Restore makes things stand as s says. A certificate without record gets one, as far as s goes: without
// its bytes.
func Restore(tx Tx, s *Standing) error {
	serial, err := serialBytes(s.Serial)
	if err != nil {
		return err
	}
	c, err := lockCertificate(tx, serial)
	switch {
	case err == authority.ErrNotFound:
		var row *row
		if row, err = newRow(s.Record(), s.Status, nil, nil); err != nil {
			return err
		}
		c = row.certificate
		c.id, _, err = row.insert(tx)
	case err == nil && s.Status == abandoned:
		_, err = tx.Exec(updateAbandon, c.id)
	case err == nil && s.Status == issued:
		_, err = tx.Exec(updateIssued, s.IssuedAt, nil, c.id) // if it is still reserved
	}
	if err != nil {
		return err
	}
	if _, err = tx.Exec(raiseCounter, s.Revision, Revision, s.Revision); err != nil {
		return err
	}
	var abandonedAt any
	if s.AbandonedAt != nil {
		abandonedAt = *s.AbandonedAt
	}
	_, err = tx.Exec(upsertEntry, c.id, s.Kind, c.issuer, c.shard, c.serial, c.notAfter, c.reservedAt,
		s.ReasonCode, s.Reason, s.At, s.ByWay, s.By, abandonedAt, s.Revision)
	return err
}

// Record returns a record of the certificate, as far as s goes.
func (s *Standing) Record() *authority.Record {
	at := func(n int64) time.Time { return time.UnixMicro(n).UTC() }
	r := &authority.Record{
		Serial: s.Serial, Status: statusOf[s.Status], Operation: provisioner.Operation(s.More.Operation), Issuer: s.Issuer, Shard: int(s.Shard),
		NotBefore: at(s.NotBefore), NotAfter: at(s.NotAfter), Subject: s.Subject, Names: s.More.Names, KeyID: s.KeyID,
		Provisioner: s.Provisioner, Profile: s.Profile, Entity: s.Entity, Previous: authority.Serial(s.More.Previous),
		RequestID: s.More.RequestID, ReservedAt: at(s.ReservedAt), IssuedAt: at(s.IssuedAt),
	}
	for _, i := range s.More.Identifiers {
		r.Identifiers = append(r.Identifiers, provisioner.Identifier{Kind: i[0], Value: i[1]})
	}
	s.Amend(r)
	return r
}

// Amend makes a record of the certificate that is older than s say what s does.
func (s *Standing) Amend(r *authority.Record) {
	r.Revocation = nil
	if r.Status == authority.Reserved && s.Status != reserved {
		r.Status, r.IssuedAt = statusOf[s.Status], time.UnixMicro(s.IssuedAt).UTC()
	}
	if s.Kind == revoked {
		r.Revocation = &authority.Revocation{
			Serial: s.Serial, ReasonCode: int(s.ReasonCode), Reason: s.Reason, RevokedAt: time.UnixMicro(s.At).UTC(),
			Provisioner: s.ByWay, By: s.By,
		}
	}
}

// Change returns what Changes says of the certificate; ok is false if it does not.
func (s *Standing) Change(q *authority.ChangeQuery) (_ authority.Change, ok bool) {
	c := authority.Change{
		Serial: s.Serial, Shard: int(s.Shard), ReasonCode: int(s.ReasonCode), At: time.UnixMicro(s.At).UTC(),
		NotAfter: time.UnixMicro(s.NotAfter).UTC(), Revision: s.Revision,
	}
	if s.Kind == released && q.Above <= 0 || s.Revision <= q.Above {
		return c, false
	}
	return c, s.Issuer == q.Issuer && (q.Shard == 0 || q.Shard == c.Shard) && !c.NotAfter.Before(q.NotAfter)
}

// Revoked reports whether a CRL lists the certificate because somebody revoked it.
func (s *Standing) Revoked() bool { return s.Kind == revoked }
