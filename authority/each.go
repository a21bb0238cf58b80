package authority

import (
	"context"
	"iter"
)

// Each yields every record that q chooses, whatever its Cursor, reading them a page at a time. After an
// error it yields nothing more.
func (a *Authority) Each(ctx context.Context, q Query) iter.Seq2[*Record, error] {
	return EachOf(ctx, a.Certificates, q)
}

// EachOf is [Authority.Each] for whoever has something else that lists: a store, say, without the keys.
func EachOf(ctx context.Context, list func(context.Context, Query) (*Page, error), q Query) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		q := q // each use of the sequence begins at the beginning
		q.Cursor = ""
		for {
			page, err := list(ctx, q)
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
