package sqlstore

import (
	"crypto/sha256"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

const (
	insertSpent = "INSERT INTO spent (id, until) VALUES (?, ?) ON CONFLICT DO NOTHING"
	deleteSpent = "DELETE FROM spent WHERE id = ?"
)

// forever is the until of credentials that have none.
const forever = int64(1)<<62 - 1

type spent struct {
	id    []byte // nil: nothing is spent
	until int64
}

func newSpent(s provisioner.Spend) spent {
	if s.IsZero() {
		return spent{}
	}
	d := sha256.Sum256([]byte(s.ID))
	until := forever
	if !s.Until.IsZero() {
		until = s.Until.UnixMicro()
	}
	return spent{id: d[:20], until: until}
}

func (s spent) insert(tx Tx) error {
	if s.id == nil {
		return nil
	}
	n, err := tx.Exec(insertSpent, s.id, s.until)
	if err == nil && n == 0 {
		err = authority.ErrSpent
	}
	return err
}

func (s spent) undo(tx Tx) error {
	if s.id == nil {
		return nil
	}
	_, err := tx.Exec(deleteSpent, s.id)
	return err
}
