package sqlstore

import "errors"

const (
	selectNumbers = "SELECT issuer, shard, 2, number FROM crl_numbers UNION ALL SELECT issuer, shard, delta, number FROM crls"
	deleteOldCRL  = "DELETE FROM crls WHERE issuer = ? AND shard = ? AND delta = ? AND number < ?"
	upsertCounter = "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

// Kinds of CRLs that a number can be of.
const (
	FullNumber  int64 = iota
	DeltaNumber       // of a delta
	BareNumber        // of either, and the list itself is not known
)

// CRLNumber says that a number is taken.
type CRLNumber struct {
	Issuer string `json:"issuer"`
	Shard  int64  `json:"shard,omitempty"`
	Kind   int64  `json:"kind,omitempty"`
	Number int64  `json:"number"`
}

// Check refuses what no store has written.
func (n *CRLNumber) Check() error {
	if n.Kind < FullNumber || n.Kind > BareNumber {
		return errors.New("sqlstore: a CRL number of no kind")
	}
	return nil
}

// Numbers calls f for the number of every CRL, and the highest of every shard.
func Numbers(tx Tx, f func(*CRLNumber) error) error {
	return tx.Query(selectNumbers, func(r Row) error {
		return f(&CRLNumber{Issuer: r.utf8(0), Shard: r.int(1), Kind: r.int(2), Number: r.int(3)})
	})
}

// RestoreNumber sees to it that n is not given again, and that no older CRL in its place is handed out.
func RestoreNumber(tx Tx, n *CRLNumber) error {
	if _, err := tx.Exec(raiseNumber, n.Issuer, n.Shard, n.Number); err != nil {
		return err
	}
	_, err := tx.Exec(deleteOldCRL, n.Issuer, n.Shard, n.Kind, n.Number)
	return err
}

// SetCounter makes a counter, or gives it another value.
func SetCounter(tx Tx, counter string, value int64) error {
	_, err := tx.Exec(upsertCounter, counter, value)
	return err
}

// Counter returns the value of a counter that need not be there.
func Counter(tx Tx, counter string) (value int64, err error) {
	err = tx.Query(selectCounter, func(r Row) error {
		value = r.int(0)
		return nil
	}, counter)
	return value, err
}
