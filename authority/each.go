package authority

import (
	"context"
	"iter"
)

// Each yields every record that q chooses, whatever its Cursor, reading them a page at a time. After an
// error it yields nothing more.
func (a *Authority) Each(ctx context.Context, q Query) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		q.Cursor = ""
		for {
			page, err := a.Certificates(ctx, q)
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
