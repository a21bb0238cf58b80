package sqlstore

import "github.com/chancery-ca/chancery/authority"

const selectCertificate = `SELECT c.id, c.status, c.issuer, c.shard, c.serial, c.not_after, c.reserved_at, c.spend
	FROM certificates c WHERE c.serial = ? /*lock*/`

// certificate is what changes of a record's state go by.
type certificate struct {
	id, status           int64
	issuer               string
	shard                int64
	serial               []byte
	notAfter, reservedAt int64
	spend                []byte
}

// lockCertificate returns the certificate of a serial, or ErrNotFound. Until the transaction ends nobody
// else changes it, or its row of revocations.
func lockCertificate(tx Tx, serial []byte) (certificate, error) {
	var c certificate
	err := tx.Query(selectCertificate, func(r Row) error {
		c = certificate{
			id: r.int(0), status: r.int(1), issuer: r.text(2), shard: r.int(3), serial: r.blob(4),
			notAfter: r.int(5), reservedAt: r.int(6), spend: r.blob(7),
		}
		return nil
	}, serial)
	if err == nil && c.id == 0 {
		err = authority.ErrNotFound
	}
	return c, err
}
