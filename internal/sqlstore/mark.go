package sqlstore

import "time"

const (
	selectMark = "SELECT at FROM marks WHERE name = ?"
	upsertMark = "INSERT INTO marks (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at"
)

// Mark does what Store.Mark says.
func Mark(tx Tx, name string) (at time.Time, err error) {
	err = tx.Query(selectMark, func(r Row) error {
		at = r.time(0)
		return nil
	}, name)
	return at, err
}

// SetMark does what Store.SetMark says.
func SetMark(tx Tx, name string, at time.Time) error {
	_, err := tx.Exec(upsertMark, name, at.UnixMicro())
	return err
}
