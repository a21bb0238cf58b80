package sqlstore

import (
	"time"

	"github.com/chancery-ca/chancery/authority"
)

const (
	updateAbandon  = "UPDATE certificates SET status = 2 WHERE id = ? AND status = 0"
	selectReserved = selectRecord + " WHERE c.status = 0 AND c.reserved_at < ? ORDER BY c.reserved_at, c.id LIMIT ? /*lock*/"
)

// Abandon does what Store.Abandon says.
func Abandon(s authority.Serial, release bool, at time.Time, posts []authority.Post) (func(Tx) error, error) {
	serial, err := serialBytes(s)
	if err != nil {
		return nil, authority.ErrNotFound
	}
	p, err := newPostings(posts)
	if err != nil {
		return nil, err
	}
	return func(tx Tx) error {
		c, err := lockCertificate(tx, serial)
		if err != nil {
			return err
		}
		n, err := tx.Exec(updateAbandon, c.id)
		if err != nil {
			return err
		}
		if n != 1 {
			return authority.ErrState
		}
		if release {
			err = spent{id: c.spend}.undo(tx)
		} else {
			err = drop(tx, &c, at.UnixMicro())
		}
		if err != nil {
			return err
		}
		return insertPosts(tx, p)
	}, nil
}

// Reconcile does what Store.Reconcile says.
func Reconcile(tx Tx, before, at time.Time, limit int, posts func(*authority.Record) []authority.Post) ([]*authority.Record, error) {
	var found []*authority.Record
	var certificates []certificate
	err := tx.Query(selectReserved, func(r Row) error {
		rec, err := readRecord(r)
		if err != nil {
			return err
		}
		rec.Status = authority.Abandoned
		found = append(found, rec)
		certificates = append(certificates, certificate{
			id: r.int(0), serial: r.blob(1), notAfter: r.int(4), reservedAt: r.int(5), issuer: r.text(7), shard: r.int(8),
		})
		return nil
	}, before.UnixMicro(), int64(Limit(limit)))
	if err != nil {
		return nil, err
	}
	var out []*authority.Record
	for i, rec := range found {
		n, err := tx.Exec(updateAbandon, certificates[i].id)
		if err != nil {
			return nil, err
		}
		if n != 1 { // not ours any more
			continue
		}
		if err := drop(tx, &certificates[i], at.UnixMicro()); err != nil {
			return nil, err
		}
		out = append(out, rec)
		if posts == nil {
			continue
		}
		p, err := newPostings(posts(clone(rec)))
		if err != nil {
			return nil, err
		}
		if err := insertPosts(tx, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Limit applies the default and the ceiling that all lists share.
func Limit(n int) int {
	if n <= 0 {
		return 100
	}
	return min(n, 1000)
}
