package sqlstore

import (
	"errors"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

const (
	selectRevoked    = "SELECT c.id, v.certificate FROM certificates c LEFT JOIN revocations v ON v.certificate = c.id WHERE c.serial = ?"
	insertRevocation = `INSERT INTO revocations (certificate, reason_code, reason, revoked_at, provisioner, revoked_by)
		VALUES (?, ?, ?, ?, ?, ?)`
)

// Revoke does what Store.Revoke says.
func Revoke(v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) (func(Tx) error, error) {
	serial, err := serialBytes(v.Serial)
	if err != nil {
		if known != nil {
			return nil, err
		}
		return nil, authority.ErrNotFound
	}
	var k *row
	if known != nil {
		if known.Serial != v.Serial {
			return nil, errors.New("sqlstore: revoking one serial with the record of another")
		}
		var kept []byte
		if len(known.DER) > 0 {
			kept = wholeDER(known.DER)
		}
		if k, err = newRow(known, issued, nil, kept); err != nil {
			return nil, err
		}
	}
	p, err := newPostings(posts)
	if err != nil {
		return nil, err
	}
	s, c := newSpent(spend), *v
	return func(tx Tx) error { return revoke(tx, serial, &c, k, s, p) }, nil
}

func revoke(tx Tx, serial []byte, v *authority.Revocation, known *row, s spent, posts []posting) error {
	var id int64
	revoked := false
	err := tx.Query(selectRevoked, func(r Row) error {
		id, revoked = r.int(0), r[1] != nil
		return nil
	}, serial)
	switch {
	case err != nil:
		return err
	case id == 0 && known == nil:
		return authority.ErrNotFound
	case revoked:
		return authority.ErrRevoked
	}
	if err := s.insert(tx); err != nil {
		return err
	}
	if id == 0 {
		var ok bool
		if id, ok, err = known.insert(tx); err != nil {
			return err
		}
		if !ok { // another node was faster
			return errors.New("sqlstore: the record appeared during its revocation")
		}
	}
	_, err = tx.Exec(insertRevocation, id, int64(v.ReasonCode), v.Reason, v.RevokedAt.UnixMicro(), v.Provisioner, v.By)
	if err != nil {
		return err
	}
	return insertPosts(tx, posts)
}
