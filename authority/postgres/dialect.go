package postgres

import (
	"strconv"
	"strings"
)

// dialect writes a statement of sqlstore in PostgreSQL's way.
func dialect(query string) string {
	var b strings.Builder
	b.Grow(len(query) + 32)
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
	query = strings.ReplaceAll(b.String(), "/*lock*/", "FOR UPDATE OF c")
	for _, kind := range []string{"text", "bytea", "bigint"} {
		query = strings.ReplaceAll(query, "/*"+kind+"*/", "::"+kind)
	}
	for _, column := range []string{"c.issuer", "c.provisioner"} {
		query = walkOf(query, column)
	}
	return query
}

// walkOf rewrites a list of the records that have one value in a column, so that it can only follow the
// index that begins with that column. Otherwise the planner may take the one of all records, whose rows lie
// together on the disk, and look through very many to find a few.
func walkOf(query, column string) string {
	const order = " ORDER BY c.reserved_at"
	before, after, found := strings.Cut(query, "WHERE "+column+" = $1 AND (c.reserved_at, c.id) > ($2, $3) AND (c.reserved_at, c.id) < ($4, $5)")
	i := strings.LastIndex(after, order)
	if !found || i < 0 {
		return query
	}
	key := "(" + column + ", c.reserved_at, c.id)"
	by := " ORDER BY " + column
	if strings.HasPrefix(after[i+len(order):], " DESC") {
		by += " DESC"
	}
	return before + "WHERE " + key + " > ($1, $2, $3) AND " + key + " < ($1, $4, $5)" + after[:i] + by + ", c.reserved_at" + after[i+len(order):]
}
