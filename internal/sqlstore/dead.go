package sqlstore

import (
	"slices"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

const (
	selectPosted = "SELECT c.payload, c.at FROM outbox c WHERE c.seq = ? AND c.sink = ? /*lock*/"
	insertDead   = "INSERT INTO dead_letters (seq, sink, at, buried_at, reason, payload) VALUES (?, ?, ?, ?, ?, ?)"
	selectDead   = "SELECT seq, payload, reason, buried_at FROM dead_letters WHERE sink = ? AND seq > ? ORDER BY seq LIMIT ?"
	selectBuried = "SELECT c.payload, c.at FROM dead_letters c WHERE c.seq = ? AND c.sink = ? /*lock*/"
	deleteDead   = "DELETE FROM dead_letters WHERE seq = ? AND sink = ?"
	firstWaiting = "SELECT at FROM outbox WHERE sink = ? ORDER BY at LIMIT 1"
	firstDead    = "SELECT at FROM dead_letters WHERE sink = ? ORDER BY at LIMIT 1"
)

// take removes an event from a table and returns it. ok is false if it is not there.
func take(tx Tx, read, remove, sink string, seq int64) (p posting, ok bool, err error) {
	err = tx.Query(read, func(r Row) error {
		p = posting{sink: sink, payload: r.blob(0), at: r.int(1)}
		return nil
	}, seq, sink)
	if err != nil || p.payload == nil {
		return p, false, err
	}
	n, err := tx.Exec(remove, seq, sink)
	return p, n == 1, err
}

// Bury does what Store.Bury says.
func Bury(tx Tx, sink string, seq int64, reason string, at time.Time) error {
	p, ok, err := take(tx, selectPosted, deleteOutbox, sink, seq)
	if err != nil || !ok {
		return err
	}
	_, err = tx.Exec(insertDead, seq, sink, p.at, at.UnixMicro(), reason, p.payload)
	return err
}

// Buried does what Store.Buried says.
func Buried(tx Tx, sink string, after int64, limit int) ([]authority.DeadLetter, error) {
	var out []authority.DeadLetter
	err := tx.Query(selectDead, func(r Row) error {
		p, err := readPosted(r)
		if err != nil {
			return err
		}
		out = append(out, authority.DeadLetter{Posted: p, Reason: r.text(2), BuriedAt: r.time(3)})
		return nil
	}, sink, after, int64(Limit(limit)))
	return out, err
}

// BacklogOf does what Store.Backlog says.
func BacklogOf(tx Tx, sink string) (b authority.Backlog, err error) {
	into := func(at *time.Time) func(Row) error {
		return func(r Row) error {
			*at = r.time(0)
			return nil
		}
	}
	if err = tx.Query(firstWaiting, into(&b.Waiting), sink); err == nil {
		err = tx.Query(firstDead, into(&b.Dead), sink)
	}
	return b, err
}

// Replay does what Store.Replay says.
func Replay(tx Tx, sink string, seqs []int64) error {
	var again []posting
	for _, seq := range slices.Compact(slices.Sorted(slices.Values(seqs))) {
		p, ok, err := take(tx, selectBuried, deleteDead, sink, seq)
		if err != nil {
			return err
		}
		if ok {
			again = append(again, p)
		}
	}
	return insertPosts(tx, again)
}
