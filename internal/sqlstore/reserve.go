package sqlstore

import (
	"bytes"
	"errors"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

const (
	commitReserved = "UPDATE certificates SET status = 1, issued_at = ?, der = ? WHERE serial = ? AND status = 0 AND tbs = ?"
	selectState    = "SELECT id, status, tbs, der, spend FROM certificates WHERE serial = ?"
	updateIssued   = "UPDATE certificates SET status = 1, issued_at = ?, der = ? WHERE id = ?"
	updateAbandon  = "UPDATE certificates SET status = 2 WHERE id = ?"
	selectReserved = "SELECT " + recordColumns + " WHERE c.status = 0 AND c.reserved_at < ? ORDER BY c.reserved_at, c.id LIMIT ?"
)

var zeroTime time.Time

// Reservation is a Store.Reserve, encoded.
type Reservation struct {
	row   *row
	spent spent
}

// NewReservation encodes what Reserve is given.
func NewReservation(r *authority.Record, spend provisioner.Spend) (*Reservation, error) {
	s := newSpent(spend)
	row, err := newRow(r, reserved, s.id, nil)
	if err != nil {
		return nil, err
	}
	return &Reservation{row: row, spent: s}, nil
}

// Apply writes it.
func (r *Reservation) Apply(tx Tx) error {
	if err := r.spent.insert(tx); err != nil {
		return err
	}
	_, ok, err := r.row.insert(tx)
	if err != nil || ok {
		return err
	}
	if err := r.spent.undo(tx); err != nil {
		return err
	}
	return authority.ErrExists
}

// Commitment is a Store.Commit, encoded.
type Commitment struct {
	serial, der, tbs, rest []byte
	at                     int64
	posts                  []posting
}

// NewCommitment encodes what Commit is given.
func NewCommitment(s authority.Serial, der []byte, at time.Time, posts []authority.Post) (*Commitment, error) {
	if len(der) == 0 {
		return nil, errors.New("sqlstore: committing without a certificate")
	}
	serial, err := serialBytes(s)
	if err != nil {
		return nil, authority.ErrNotFound
	}
	p, err := newPostings(posts)
	if err != nil {
		return nil, err
	}
	c := &Commitment{serial: serial, der: der, at: at.UnixMicro(), posts: p}
	c.tbs, c.rest = splitDER(der)
	return c, nil
}

// Apply writes it.
func (c *Commitment) Apply(tx Tx) error {
	if c.tbs != nil {
		n, err := tx.Exec(commitReserved, c.at, c.rest, c.serial, c.tbs)
		if err != nil {
			return err
		}
		if n == 1 {
			return insertPosts(tx, c.posts)
		}
	}
	st, err := stateOf(tx, c.serial)
	switch {
	case err != nil:
		return err
	case st.status == issued && bytes.Equal(st.der, c.der):
		return nil
	case st.status != reserved:
		return authority.ErrState
	}
	if _, err := tx.Exec(updateIssued, c.at, wholeDER(c.der), st.id); err != nil {
		return err
	}
	return insertPosts(tx, c.posts)
}

type state struct {
	id, status int64
	der, spend []byte
}

func stateOf(tx Tx, serial []byte) (state, error) {
	var st state
	err := tx.Query(selectState, func(r Row) error {
		st = state{id: r.int(0), status: r.int(1), der: joinDER(r.blob(2), r.blob(3)), spend: r.blob(4)}
		return nil
	}, serial)
	if err == nil && st.id == 0 {
		err = authority.ErrNotFound
	}
	return st, err
}

// Abandon does what Store.Abandon says.
func Abandon(s authority.Serial, release bool, posts []authority.Post) (func(Tx) error, error) {
	serial, err := serialBytes(s)
	if err != nil {
		return nil, authority.ErrNotFound
	}
	p, err := newPostings(posts)
	if err != nil {
		return nil, err
	}
	return func(tx Tx) error {
		st, err := stateOf(tx, serial)
		if err != nil {
			return err
		}
		if st.status != reserved {
			return authority.ErrState
		}
		if release {
			if err := (spent{id: st.spend}).undo(tx); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(updateAbandon, st.id); err != nil {
			return err
		}
		return insertPosts(tx, p)
	}, nil
}

// Reconcile does what Store.Reconcile says.
func Reconcile(tx Tx, before time.Time, limit int, posts func(*authority.Record) []authority.Post) ([]*authority.Record, error) {
	var out []*authority.Record
	var ids []int64
	err := tx.Query(selectReserved, func(r Row) error {
		rec, err := readRecord(r)
		if err != nil {
			return err
		}
		rec.Status = authority.Abandoned
		out, ids = append(out, rec), append(ids, r.int(0))
		return nil
	}, before.UnixMicro(), int64(Limit(limit)))
	if err != nil {
		return nil, err
	}
	for i, rec := range out {
		if _, err := tx.Exec(updateAbandon, ids[i]); err != nil {
			return nil, err
		}
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
