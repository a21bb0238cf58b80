package sqlstore

import (
	"strings"

	"github.com/chancery-ca/chancery/authority"
)

const (
	// One statement, so that of two nodes with the same number one is told: the row it conflicts with is
	// looked at again after the wait for it.
	raiseNumber = `INSERT INTO crl_numbers (issuer, shard, number) VALUES (?, ?, ?)
		ON CONFLICT (issuer, shard) DO UPDATE SET number = excluded.number WHERE crl_numbers.number < excluded.number`

	upsertCRL = `INSERT INTO crls (issuer, shard, delta, number, base, revision, this_update, next_update, entries, der)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (issuer, shard, delta) DO UPDATE SET number = excluded.number, base = excluded.base,
		revision = excluded.revision, this_update = excluded.this_update, next_update = excluded.next_update,
		entries = excluded.entries, der = excluded.der WHERE crls.revision <= excluded.revision`

	selectRevision = "SELECT c.revision FROM crls c WHERE c.issuer = ? AND c.shard = ? AND c.delta = ? /*lock*/"

	crlColumns = "SELECT issuer, shard, delta, number, base, revision, this_update, next_update, entries"
	selectCRL  = crlColumns + ", der FROM crls WHERE issuer = ? AND shard = ? AND delta = ? AND number > ?"
	selectCRLs = crlColumns + " FROM crls WHERE issuer = ? ORDER BY issuer, shard, delta"
)

// PutCRL does what Store.PutCRL says.
func PutCRL(c *authority.CRL, posts []authority.Post) (func(Tx) error, error) {
	p, err := newPostings(posts)
	if err != nil {
		return nil, err
	}
	return func(tx Tx) error {
		known := int64(0)
		err := tx.Query(selectRevision, func(r Row) error {
			known = r.int(0)
			return nil
		}, c.Issuer, int64(c.Shard), flag(c.Delta))
		if err != nil {
			return err
		}
		if known > c.Revision {
			return authority.ErrExists
		}
		n, err := tx.Exec(raiseNumber, c.Issuer, int64(c.Shard), c.Number)
		if err != nil {
			return err
		}
		if n == 0 {
			return authority.ErrExists
		}
		if w, ok := tx.(Witness); ok {
			w.Numbered(&CRLNumber{Issuer: strings.ToValidUTF8(c.Issuer, "\uFFFD"), Shard: int64(c.Shard), Kind: flag(c.Delta), Number: c.Number})
		}
		n, err = tx.Exec(upsertCRL, c.Issuer, int64(c.Shard), flag(c.Delta), c.Number, c.Base, c.Revision,
			c.ThisUpdate.UnixMicro(), c.NextUpdate.UnixMicro(), int64(c.Entries), notNull(c.DER))
		if err != nil {
			return err
		}
		if n == 0 { // another node made the first one just now: its transaction is the one that stays
			return authority.ErrExists
		}
		return insertPosts(tx, p)
	}, nil
}

// CRL does what Store.CRL says.
func CRL(tx Tx, s authority.CRLScope, above int64) (*authority.CRL, error) {
	var out *authority.CRL
	err := tx.Query(selectCRL, func(r Row) error {
		out = readCRL(r)
		out.DER = r.blob(9)
		return nil
	}, s.Issuer, int64(s.Shard), flag(s.Delta), above)
	if err == nil && out == nil {
		err = authority.ErrNotFound
	}
	return out, err
}

// CRLs does what Store.CRLs says.
func CRLs(tx Tx, issuer string) ([]*authority.CRL, error) {
	var out []*authority.CRL
	err := tx.Query(selectCRLs, func(r Row) error {
		out = append(out, readCRL(r))
		return nil
	}, issuer)
	return out, err
}

func readCRL(r Row) *authority.CRL {
	return &authority.CRL{
		CRLScope: authority.CRLScope{Issuer: r.text(0), Shard: int(r.int(1)), Delta: r.int(2) != 0},
		Number:   r.int(3), Base: r.int(4), Revision: r.int(5), ThisUpdate: r.time(6), NextUpdate: r.time(7), Entries: int(r.int(8)),
	}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
