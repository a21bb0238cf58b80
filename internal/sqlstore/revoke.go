package sqlstore

import (
	"errors"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// revocation is a Store.Revoke, encoded.
type revocation struct {
	serial []byte
	entry  entry
	hold   bool
	known  *row // or nil
	spent  spent
	posts  []posting
}

// Revoke does what Store.Revoke says.
func Revoke(v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) (func(Tx) error, error) {
	serial, err := serialBytes(v.Serial)
	if err != nil {
		if known != nil {
			return nil, err
		}
		return nil, authority.ErrNotFound
	}
	n := &revocation{serial: serial, hold: v.Hold(), spent: newSpent(spend), entry: entry{
		kind: revoked, reasonCode: int64(v.ReasonCode), reason: v.Reason, at: v.RevokedAt.UnixMicro(), provisioner: v.Provisioner, by: v.By,
	}}
	if known != nil {
		if known.Serial != v.Serial {
			return nil, errors.New("sqlstore: revoking one serial with the record of another")
		}
		var kept []byte
		if len(known.DER) > 0 {
			kept = wholeDER(known.DER)
		}
		if n.known, err = newRow(known, issued, nil, kept); err != nil {
			return nil, err
		}
	}
	if n.posts, err = newPostings(posts); err != nil {
		return nil, err
	}
	return n.apply, nil
}

func (n *revocation) apply(tx Tx) error {
	c, err := n.find(tx)
	if err == authority.ErrNotFound && n.known != nil {
		return n.adopt(tx)
	}
	if err != nil {
		return err
	}
	if err := n.spent.insert(tx); err != nil {
		return err
	}
	return n.put(tx, &c)
}

// find locks the certificate, and looks whether it can be revoked.
func (n *revocation) find(tx Tx) (certificate, error) {
	n.entry.abandonedAt = nil // apply may run again
	c, err := lockCertificate(tx, n.serial)
	if err != nil {
		return c, err
	}
	old, err := entryOf(tx, c.id)
	switch {
	case err != nil:
		return c, err
	case old == nil:
		return c, nil
	case old.kind == revoked && (n.hold || old.reasonCode != authority.ReasonCertificateHold):
		return c, authority.ErrRevoked
	}
	n.entry.abandonedAt = old.abandonedAt
	return c, nil
}

// adopt revokes a certificate that has no record yet.
func (n *revocation) adopt(tx Tx) error {
	if err := n.spent.insert(tx); err != nil {
		return err
	}
	id, ok, err := n.known.insert(tx)
	if err != nil {
		return err
	}
	c := n.known.certificate
	c.id = id
	if !ok { // another node was faster, and by now its record can be seen
		if c, err = n.find(tx); err != nil {
			if undo := n.spent.undo(tx); undo != nil {
				return undo
			}
			return err
		}
	}
	return n.put(tx, &c)
}

func (n *revocation) put(tx Tx, c *certificate) error {
	if err := n.entry.put(tx, c); err != nil {
		return err
	}
	return insertPosts(tx, n.posts)
}

// Release does what Store.Release says.
func Release(s authority.Serial, at time.Time, posts []authority.Post) (func(Tx) error, error) {
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
		old, err := entryOf(tx, c.id)
		if err != nil {
			return err
		}
		if old == nil || old.kind != revoked || old.reasonCode != authority.ReasonCertificateHold {
			return authority.ErrState
		}
		if err := old.release(at.UnixMicro()).put(tx, &c); err != nil {
			return err
		}
		return insertPosts(tx, p)
	}, nil
}
