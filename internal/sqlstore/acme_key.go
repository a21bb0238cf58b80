package sqlstore

import (
	"github.com/chancery-ca/chancery/acme"
)

const (
	keyColumns = `SELECT c.provisioner, c.id, c.reusable, c.expires, c.revoked_at, c.used_at, c.account, c.version, c.doc
		FROM acme_external_keys c`

	selectExternalKey  = keyColumns + " WHERE c.provisioner = ? AND c.id = ?"
	selectExternalKeys = keyColumns + " WHERE c.provisioner = ? AND c.id > ? ORDER BY c.id LIMIT ?"

	insertExternalKey = `INSERT INTO acme_external_keys (reusable, expires, revoked_at, used_at, account, version, doc, provisioner, id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	updateExternalKey = `UPDATE acme_external_keys SET reusable = ?, expires = ?, revoked_at = ?, used_at = ?, account = ?, version = ?, doc = ?
		WHERE provisioner = ? AND id = ? AND version = ?`
	selectExternalKeyVersion = "SELECT version FROM acme_external_keys WHERE provisioner = ? AND id = ?"

	selectSecret = "SELECT value FROM acme_secrets WHERE name = ?"
	insertSecret = "INSERT INTO acme_secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
)

func someExternalKeys(tx Tx, query string, args ...any) (out []*acme.ExternalKey, err error) {
	err = tx.Query(query, func(r Row) error {
		var d keyDoc
		if err := decode("an external key", r, 8, &d); err != nil {
			return err
		}
		out = append(out, &acme.ExternalKey{
			Provisioner: r.text(0), ID: r.text(1), Reusable: r.int(2) == 1, Expires: r.optional(3), RevokedAt: r.optional(4), UsedAt: r.optional(5),
			Account: r.text(6), Version: r.int(7), Key: d.Key, Name: d.Name, CreatedAt: d.CreatedAt,
		})
		return nil
	}, args...)
	return out, err
}

// keyChange is a PutExternalKey, encoded.
type keyChange struct {
	*acme.ExternalKey
	next int64
	args []any
}

func newKeyChange(k *acme.ExternalKey) (*keyChange, error) {
	doc, err := encode("an external key", keyDoc{k.Key, k.Name, micro(k.CreatedAt)})
	if err != nil {
		return nil, err
	}
	c := &keyChange{ExternalKey: k, next: fresh()}
	c.args = []any{flag(k.Reusable), optional(k.Expires), optional(k.RevokedAt), optional(k.UsedAt), k.Account, c.next, doc, k.Provisioner, k.ID}
	return c, nil
}

func (c *keyChange) apply(tx Tx) error {
	if c.Version == 0 {
		s := &Step{Query: insertExternalKey, Args: c.args}
		if err := tx.Run([]*Step{s}); err != nil || s.N == 1 {
			return err
		}
		return acme.ErrExists
	}
	s := &Step{Query: updateExternalKey, Args: with(c.args, c.Version)}
	if err := tx.Run([]*Step{s}); err != nil || s.N == 1 {
		return err
	}
	return missed(tx, selectExternalKeyVersion, c.Provisioner, c.ID)
}

// secret returns what is kept under a name; nil if nothing is.
func secret(out *[]byte, name string) *Step {
	return &Step{Query: selectSecret, Args: []any{name}, Row: func(r Row) error {
		*out = r.blob(0)
		return nil
	}}
}

func putSecret(tx Tx, name string, value []byte) (out []byte, err error) {
	err = tx.Run([]*Step{{Query: insertSecret, Args: []any{name, value}}, secret(&out, name)})
	return out, err
}
