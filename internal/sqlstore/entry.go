package sqlstore

import "github.com/chancery-ca/chancery/authority"

// Kinds of entries.
const (
	revoked int64 = iota
	dropped       // abandoned, with its credential spent: it counts as revoked
	released
)

const (
	selectEntry = `SELECT kind, reason_code, reason, at, provisioner, revoked_by, abandoned_at FROM revocations
		WHERE certificate = ?`

	upsertEntry = `INSERT INTO revocations (certificate, kind, issuer, shard, serial, not_after, reserved_at,
		reason_code, reason, at, provisioner, revoked_by, abandoned_at, revision)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (certificate) DO UPDATE SET kind = excluded.kind, reason_code = excluded.reason_code,
		reason = excluded.reason, at = excluded.at, provisioner = excluded.provisioner, revoked_by = excluded.revoked_by,
		abandoned_at = excluded.abandoned_at, revision = excluded.revision`

	updateAbandonedAt = "UPDATE revocations SET abandoned_at = ? WHERE certificate = ?"
)

// entry is what a CRL says of a certificate, and what the record does.
type entry struct {
	kind        int64
	reasonCode  int64
	reason      string
	at          int64
	provisioner string
	by          string
	abandonedAt *int64 // nil unless it was abandoned: what the entry says again when a hold ends
}

// entryOf returns the entry of a certificate that is locked; nil if there is none.
func entryOf(tx Tx, id int64) (*entry, error) {
	var e *entry
	err := tx.Query(selectEntry, func(r Row) error {
		e = &entry{kind: r.int(0), reasonCode: r.int(1), reason: r.text(2), at: r.int(3), provisioner: r.text(4), by: r.text(5)}
		if r[6] != nil {
			at := r.int(6)
			e.abandonedAt = &at
		}
		return nil
	}, id)
	return e, err
}

// put makes e the entry of c, as a change.
func (e *entry) put(tx Tx, c *certificate) error {
	revision, err := tx.NextRevision()
	if err != nil {
		return err
	}
	var abandonedAt any
	if e.abandonedAt != nil {
		abandonedAt = *e.abandonedAt
	}
	_, err = tx.Exec(upsertEntry, c.id, e.kind, c.issuer, c.shard, c.serial, c.notAfter, c.reservedAt,
		e.reasonCode, e.reason, e.at, e.provisioner, e.by, abandonedAt, revision)
	if err != nil {
		return err
	}
	return tell(tx, c.id)
}

// abandonedEntry is what a CRL says of an abandoned reservation.
func abandonedEntry(at int64) *entry { return &entry{kind: dropped, at: at, abandonedAt: &at} }

// drop notes that a reservation was abandoned without giving its credential back. A revocation stays
// what it is, and says so by itself.
func drop(tx Tx, c *certificate, at int64) error {
	old, err := entryOf(tx, c.id)
	if err != nil {
		return err
	}
	if old != nil && old.kind == revoked {
		if _, err := tx.Exec(updateAbandonedAt, at, c.id); err != nil {
			return err
		}
		return tell(tx, c.id)
	}
	return abandonedEntry(at).put(tx, c)
}

// release returns what takes the place of a hold that ended at a moment.
func (e *entry) release(at int64) *entry {
	if e.abandonedAt != nil {
		return abandonedEntry(*e.abandonedAt)
	}
	return &entry{kind: released, reasonCode: authority.ReasonRemoveFromCRL, at: at}
}
