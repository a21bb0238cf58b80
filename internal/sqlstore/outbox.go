package sqlstore

import (
	"encoding/json"
	"fmt"

	"github.com/chancery-ca/chancery/authority"
)

const (
	insertOutbox = "INSERT INTO outbox (seq, sink, at, payload) VALUES (?, ?, ?, ?)"
	deleteOutbox = "DELETE FROM outbox WHERE seq = ? AND sink = ?"
	selectOutbox = "SELECT seq, payload FROM outbox WHERE sink = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"
)

// posting is an encoded event for one sink.
type posting struct {
	sink    string
	at      int64
	payload []byte
}

func newPostings(posts []authority.Post) ([]posting, error) {
	var out []posting
	for _, p := range posts {
		if len(p.To) == 0 {
			continue
		}
		b, err := p.Event.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("sqlstore: encoding event %s: %w", p.Event.Type, err)
		}
		for _, sink := range p.To {
			out = append(out, posting{sink, p.Event.Time.UnixMicro(), b})
		}
	}
	return out, nil
}

func insertPosts(tx Tx, posts []posting) error {
	if len(posts) == 0 {
		return nil
	}
	seq, err := tx.NextSeq(len(posts))
	if err != nil {
		return err
	}
	for i, p := range posts {
		if _, err := tx.Exec(insertOutbox, seq+int64(i), p.sink, p.at, p.payload); err != nil {
			return err
		}
	}
	return nil
}

// Post does what Store.Post says.
func Post(posts []authority.Post) (func(Tx) error, error) {
	p, err := newPostings(posts)
	if err != nil {
		return nil, err
	}
	return func(tx Tx) error { return insertPosts(tx, p) }, nil
}

// Outbox does what Store.Outbox says.
func Outbox(tx Tx, sink string, after int64, limit int) ([]authority.Posted, error) {
	end, err := tx.Seqs() // before the rows are read, so that what it promises holds for them
	if err != nil {
		return nil, err
	}
	var out []authority.Posted
	err = tx.Query(selectOutbox, func(r Row) error {
		p, err := readPosted(r)
		if err != nil {
			return err
		}
		out = append(out, p)
		return nil
	}, sink, after, end, int64(Limit(limit)))
	return out, err
}

// readPosted reads an event whose first columns are its seq and its payload.
func readPosted(r Row) (authority.Posted, error) {
	p := authority.Posted{Seq: r.int(0)}
	if err := json.Unmarshal(r.blob(1), &p.Event); err != nil {
		return p, fmt.Errorf("sqlstore: reading event %d: %w", p.Seq, err)
	}
	return p, nil
}

// Delivered does what Store.Delivered says.
func Delivered(tx Tx, sink string, seqs []int64) error {
	for _, s := range seqs {
		n, err := tx.Exec(deleteOutbox, s, sink)
		if err == nil && n == 0 {
			_, err = tx.Exec(deleteDead, s, sink)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
