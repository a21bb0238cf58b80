package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

const (
	insertTerm  = "INSERT INTO terms (term, reserved_at, certificate) VALUES (?, ?, ?)"
	insertTerm2 = "INSERT INTO terms (term, reserved_at, certificate) VALUES (?, ?, ?), (?, ?, ?)"
	insertTerm3 = "INSERT INTO terms (term, reserved_at, certificate) VALUES (?, ?, ?), (?, ?, ?), (?, ?, ?)"
	insertTerm4 = "INSERT INTO terms (term, reserved_at, certificate) VALUES (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?)"
	deleteTerm  = "DELETE FROM terms WHERE term = ? AND reserved_at = ? AND certificate = ?"
)

// term is the digest by which exact searches find s. Rows that share it by chance, or because s is the
// subject of one and a name of the other, are filtered by value.
func term(s string) int64 {
	d := sha256.Sum256([]byte(s))
	return int64(binary.BigEndian.Uint64(d[:8]) >> 1)
}

// terms lists what a certificate can be found by, without repeats.
func terms(subject, key, entity string, names []string) []int64 {
	out := make([]int64, 0, 3+len(names))
	add := func(s string) {
		if t := term(s); s != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	add(subject)
	add(key)
	add(entity)
	for _, n := range names {
		add(n)
	}
	return out
}

func insertTerms(tx Tx, terms []int64, reservedAt, id int64) error {
	statements := [...]string{insertTerm, insertTerm2, insertTerm3, insertTerm4}
	var args [3 * len(statements)]any
	for len(terms) > 0 {
		n := min(len(terms), len(statements))
		for i, t := range terms[:n] {
			args[3*i], args[3*i+1], args[3*i+2] = t, reservedAt, id
		}
		if _, err := tx.Exec(statements[n-1], args[:3*n]...); err != nil {
			return err
		}
		terms = terms[n:]
	}
	return nil
}
