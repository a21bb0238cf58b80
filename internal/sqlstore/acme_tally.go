package sqlstore

import (
	"bytes"
	"crypto/sha256"
	"math"
	"slices"

	"github.com/chancery-ca/chancery/acme"
)

const (
	// Rows are there before they are locked, so that whoever counts a new tally at the same time is kept out, too.
	insertTallies = "INSERT INTO acme_tallies (id, n, until) SELECT v.column1, 0, v.column2 FROM %v WHERE v.column1 IS NOT NULL AND %if ON CONFLICT DO NOTHING"
	lockTallies   = "SELECT c.id FROM acme_tallies c WHERE c.id IN %list AND %if /*lock*/"
	countTallies  = `INSERT INTO acme_tallies (id, n, until) SELECT v.column1, 1, v.column2 FROM %v WHERE v.column1 IS NOT NULL AND %if
		ON CONFLICT (id) DO UPDATE SET n = acme_tallies.n + 1`
	anyFull     = "EXISTS (SELECT 1 FROM %v LEFT JOIN acme_tallies t ON t.id = v.column1 WHERE coalesce(t.n, 0) >= v.column2)"
	selectTally = "SELECT id, n FROM acme_tallies WHERE id IN %list"
)

// tallies are some, as statements see them.
type tallies struct {
	all  []acme.Tally // in the caller's order
	rows []tallyRow   // by rising id, each once: the order in which rows are locked
}

type tallyRow struct {
	id           []byte
	limit, until int64
}

func tallyID(key string) []byte {
	d := sha256.Sum256([]byte(key))
	return d[:20]
}

func newTallies(all []acme.Tally) *tallies {
	t := &tallies{all: all}
	for _, a := range all {
		t.rows = append(t.rows, tallyRow{tallyID(a.Key), int64(a.Limit), a.Until.UnixMicro()})
	}
	slices.SortFunc(t.rows, func(a, b tallyRow) int { return bytes.Compare(a.id, b.id) })
	t.rows = slices.CompactFunc(t.rows, func(a, b tallyRow) bool { return bytes.Equal(a.id, b.id) })
	return t
}

func (t *tallies) none() bool { return len(t.rows) == 0 }

func (t *tallies) ids() (string, []any) {
	ids := make([][]byte, len(t.rows))
	for i, r := range t.rows {
		ids[i] = r.id
	}
	return list(ids)
}

// ends is the table of when each ends.
func (t *tallies) ends() (string, []any) {
	rows := make([][]any, len(t.rows))
	for i, r := range t.rows {
		rows[i] = []any{r.id, r.until}
	}
	return table(rows, isBytes, isInt)
}

// full is the condition that one is.
func (t *tallies) full() (string, []any) {
	rows := make([][]any, width(len(t.rows)))
	for i := range rows {
		rows[i] = []any{nil, int64(math.MaxInt64)} // padding, which never is
	}
	for i, r := range t.rows {
		rows[i] = []any{r.id, r.limit}
	}
	v, args := table(rows, isBytes, isInt)
	return fill(anyFull, "%v", v), args
}

// lock keeps others from counting until the transaction ends.
func (t *tallies) lock(condition string, args ...any) []*Step {
	if t.none() {
		return nil
	}
	v, ends := t.ends()
	in, ids := t.ids()
	full, limits := t.full()
	return []*Step{
		{Query: fill(insertTallies, "%v", v, "%if", condition+" AND NOT "+full), Args: with(with(ends, args...), limits...), Skip: always},
		{Query: fill(lockTallies, "%list", in, "%if", condition), Args: with(ids, args...), Row: ignore, Skip: always},
	}
}

// count adds one to each.
func (t *tallies) count(condition string, args ...any) []*Step {
	if t.none() {
		return nil
	}
	v, ends := t.ends()
	return []*Step{{Query: fill(countTallies, "%v", v, "%if", condition), Args: with(ends, args...)}}
}

// first returns an error about the first that is full, or nil.
func (t *tallies) first(tx Tx) error {
	if t.none() {
		return nil
	}
	n := map[string]int64{}
	in, ids := t.ids()
	err := tx.Query(fill(selectTally, "%list", in), func(r Row) error {
		n[string(r.blob(0))] = r.int(1)
		return nil
	}, ids...)
	if err != nil {
		return err
	}
	for _, a := range t.all {
		if n[string(tallyID(a.Key))] >= int64(a.Limit) {
			return &acme.LimitError{Tally: a}
		}
	}
	return nil
}

// refuse returns the error for a tally that was full a moment ago.
func (t *tallies) refuse(tx Tx) error {
	if err := t.first(tx); err != nil {
		return err
	}
	return &acme.LimitError{Tally: t.all[0]} // it is not any more, but then was then
}

func countAll(tx Tx, t *tallies) error {
	if t.none() {
		return nil
	}
	full, args := t.full()
	count := t.count("NOT "+full, args...)
	if err := tx.Run(append(t.lock("1 = 1"), count...)); err != nil {
		return err
	}
	if count[0].N == 0 {
		return t.refuse(tx)
	}
	return nil
}
