package sqlstore

import "fmt"

// Counters of a database with one writer at a time, whose transactions commit in the order of their
// numbers. Others make their numbers in another way.
const (
	Seq      = "seq"
	Revision = "revision"

	// Of a database with a journal beside it: which one, and how much of it is in the database. They are
	// there from the moment on that it has one.
	Journal   = "journal"
	Journaled = "journaled"
)

const (
	updateCounter = "UPDATE counters SET value = value + ? WHERE name = ?"
	selectCounter = "SELECT value FROM counters WHERE name = ?"
)

// Next raises a counter by n and returns the first of the new numbers.
func Next(tx Tx, counter string, n int) (int64, error) {
	if _, err := tx.Exec(updateCounter, int64(n), counter); err != nil {
		return 0, err
	}
	last, err := Last(tx, counter)
	return last - int64(n) + 1, err
}

// Last returns the last number of a counter.
func Last(tx Tx, counter string) (value int64, err error) {
	found := false
	err = tx.Query(selectCounter, func(r Row) error {
		value, found = r.int(0), true
		return nil
	}, counter)
	if err == nil && !found {
		err = fmt.Errorf("sqlstore: the counter %s is missing", counter)
	}
	return value, err
}
