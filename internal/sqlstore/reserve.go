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
	selectState    = "SELECT c.id, c.status, c.tbs, c.der FROM certificates c WHERE c.serial = ? /*lock*/"
	updateIssued   = "UPDATE certificates SET status = 1, issued_at = ?, der = ? WHERE id = ? AND status = 0"
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
	n, err := tx.Exec(updateIssued, c.at, wholeDER(c.der), st.id)
	if err != nil {
		return err
	}
	if n != 1 {
		return authority.ErrState
	}
	return insertPosts(tx, c.posts)
}

type state struct {
	id, status int64
	der        []byte
}

func stateOf(tx Tx, serial []byte) (state, error) {
	var st state
	err := tx.Query(selectState, func(r Row) error {
		st = state{id: r.int(0), status: r.int(1), der: joinDER(r.blob(2), r.blob(3))}
		return nil
	}, serial)
	if err == nil && st.id == 0 {
		err = authority.ErrNotFound
	}
	return st, err
}
