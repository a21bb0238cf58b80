package export

import (
	"context"
	"iter"

	"github.com/chancery-ca/chancery/authority"
)

// Lister is the part of a store that an export needs.
type Lister interface {
	List(ctx context.Context, q authority.Query) (*authority.Page, error)
}

// Records yields every record of a store that q chooses, whatever its Cursor, reading q.Limit of them at a
// time: what [authority.Authority.Each] does, for a program that has the store and no keys to make an
// authority with. After an error it yields nothing more.
func Records(ctx context.Context, store Lister, q authority.Query) iter.Seq2[*authority.Record, error] {
	return func(yield func(*authority.Record, error) bool) {
		q := q // the sequence may be walked again
		for q.Cursor = ""; ; {
			page, err := store.List(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range page.Records {
				if !yield(r, nil) {
					return
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				return
			}
		}
	}
}
