package sqlstore

import (
	"encoding/json"
	"fmt"

	"github.com/chancery-ca/chancery/authority"
)

const (
	insertOutbox = "INSERT INTO outbox (sink, payload) VALUES (?, ?)"
	deleteOutbox = "DELETE FROM outbox WHERE seq = ? AND sink = ?"
	selectOutbox = "SELECT seq, payload FROM outbox WHERE sink = ? AND seq > ? ORDER BY seq LIMIT ?"
)

// posting is an encoded event for one sink.
type posting struct {
	sink    string
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
			out = append(out, posting{sink, b})
		}
	}
	return out, nil
}

func insertPosts(tx Tx, posts []posting) error {
	for _, p := range posts {
		if _, err := tx.Exec(insertOutbox, p.sink, p.payload); err != nil {
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
	var out []authority.Posted
	err := tx.Query(selectOutbox, func(r Row) error {
		p := authority.Posted{Seq: r.int(0)}
		if err := json.Unmarshal(r.blob(1), &p.Event); err != nil {
			return fmt.Errorf("sqlstore: reading event %d: %w", p.Seq, err)
		}
		out = append(out, p)
		return nil
	}, sink, after, int64(Limit(limit)))
	return out, err
}

// Delivered does what Store.Delivered says.
func Delivered(tx Tx, sink string, seqs []int64) error {
	for _, s := range seqs {
		if _, err := tx.Exec(deleteOutbox, s, sink); err != nil {
			return err
		}
	}
	return nil
}
