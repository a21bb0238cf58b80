package sqlstore

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// A Step is one statement of a script: see [Tx.Run].
type Step struct {
	Query string // constant, or one of few
	Args  []any
	Row   func(Row) error // of a statement that returns rows; nil: of one that does not

	// Last says that nothing that follows has anything to do if this step changes no row.
	Last bool

	// Skip, when it is not nil, may return true if the statement has nothing to do. A database to which the steps
	// are sent at once cannot ask it.
	Skip func() bool

	N int64 // rows that were changed or returned, once it has run
}

// always is the Skip of what only locks rows: where there is one writer, nobody else is kept out.
func always() bool { return true }

// fresh returns a number that nothing has had before: a version, or a ticket.
func fresh() int64 { return 1 + rand.Int64N(1<<62) }

// The types of values that stand where a database cannot tell them. One that does not need to know reads a comment.
const (
	isText  = "?/*text*/"
	isBytes = "?/*bytea*/"
	isInt   = "?/*bigint*/"
)

// width is how many places a statement has for n values: so there are few statements.
func width(n int) int {
	w := 1
	for w < n {
		w *= 2
	}
	return w
}

// list writes "(?, ?)" with room for n values, and pads those with the last.
func list[T any](values []T) (string, []any) {
	n := width(len(values))
	args := make([]any, 0, n)
	for _, v := range values {
		args = append(args, v)
	}
	for len(args) < n {
		args = append(args, args[len(args)-1])
	}
	return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")", args
}

// table writes rows as a table, v, of column1, column2 and so on, and pads it with rows of NULL.
func table(rows [][]any, types ...string) (string, []any) {
	n := width(len(rows))
	args := make([]any, 0, n*len(types))
	for _, r := range rows {
		args = append(args, r...)
	}
	args = append(args, make([]any, n*len(types)-len(args))...)
	next := ", (" + strings.TrimSuffix(strings.Repeat("?, ", len(types)), ", ") + ")"
	return "(VALUES (" + strings.Join(types, ", ") + ")" + strings.Repeat(next, n-1) + ") v", args
}

// with returns args and more.
func with(args []any, more ...any) []any { return append(slices.Clip(args), more...) }

// fill puts parts into a statement: pairs of a name in it and what stands there.
func fill(query string, parts ...string) string { return strings.NewReplacer(parts...).Replace(query) }

func ignore(Row) error { return nil }
