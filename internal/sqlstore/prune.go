package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

const (
	pruneSpent = "DELETE FROM spent WHERE id IN (SELECT id FROM spent WHERE until < ? ORDER BY until LIMIT ?)"
	pruneDead  = "DELETE FROM dead_letters WHERE seq IN (SELECT seq FROM dead_letters WHERE sink = ? AND buried_at < ? ORDER BY buried_at LIMIT ?)"
	nextDead   = "SELECT sink FROM dead_letters WHERE sink > ? ORDER BY sink LIMIT 1"
	aDead      = "SELECT sink FROM dead_letters ORDER BY sink LIMIT 1"
	pruneSink  = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE sink = ? AND at < ? ORDER BY at LIMIT ?)"
	nextSink   = "SELECT sink FROM outbox WHERE sink > ? ORDER BY sink LIMIT 1"
	firstSink  = "SELECT sink FROM outbox ORDER BY sink LIMIT 1"

	selectEnded = `SELECT c.id, c.reserved_at, c.subject, c.key_id, c.entity, c.more FROM certificates c
		WHERE c.not_after < ? AND c.status > 0 ORDER BY c.not_after LIMIT ? /*lock*/`
	deleteRevocation  = "DELETE FROM revocations WHERE certificate = ?"
	deleteCertificate = "DELETE FROM certificates WHERE id = ?"
)

// Prune does what Store.Prune says. The caller has filled in the defaults of p.
func Prune(tx Tx, p authority.Prune) (authority.Pruned, error) {
	n, err := tx.Exec(pruneSpent, p.Now.UnixMicro(), int64(p.Limit))
	out := authority.Pruned{Spent: int(n)}
	left := p.Limit - out.Spent
	if err == nil && left > 0 && !p.Certificates.IsZero() {
		out.Certificates, err = pruneCertificates(tx, p.Certificates, left)
		left -= out.Certificates
	}
	if err == nil && left > 0 && !p.Events.IsZero() {
		out.Events, err = pruneEvents(tx, p, left)
		left -= out.Events
	}
	out.More = left <= 0
	return out, err
}

func pruneCertificates(tx Tx, before time.Time, limit int) (int, error) {
	type ended struct {
		id, reservedAt int64
		terms          []int64
	}
	var all []ended
	err := tx.Query(selectEnded, func(r Row) error {
		var m more
		if err := json.Unmarshal(r.blob(5), &m); err != nil {
			return fmt.Errorf("sqlstore: reading record %d: %w", r.int(0), err)
		}
		all = append(all, ended{r.int(0), r.int(1), terms(r.text(2), r.text(3), r.text(4), m.Names)})
		return nil
	}, ceilMicro(before), int64(limit))
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		for _, t := range e.terms {
			if _, err := tx.Exec(deleteTerm, t, e.reservedAt, e.id); err != nil {
				return 0, err
			}
		}
		if _, err := tx.Exec(deleteRevocation, e.id); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(deleteCertificate, e.id); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// pruneEvents deletes dead letters, and then the events of sinks that nobody has.
func pruneEvents(tx Tx, p authority.Prune, limit int) (int, error) {
	before := ceilMicro(p.Events)
	total := 0
	for _, t := range [...]struct {
		first, next, prune string
		keep               []string
	}{{aDead, nextDead, pruneDead, p.Mandatory}, {firstSink, nextSink, pruneSink, p.Sinks}} {
		all, err := sinks(tx, t.first, t.next)
		if err != nil {
			return total, err
		}
		for _, sink := range all {
			if total >= limit || slices.Contains(t.keep, sink) {
				continue
			}
			n, err := tx.Exec(t.prune, sink, before, int64(limit-total))
			if err != nil {
				return total, err
			}
			total += int(n)
		}
	}
	return total, nil
}

// sinks returns those that have events: a step in an index for each, however many events there are.
func sinks(tx Tx, first, next string) ([]string, error) {
	var all []string
	add := func(r Row) error {
		all = append(all, r.text(0))
		return nil
	}
	err := tx.Query(first, add)
	for n := 1; err == nil && n == len(all); n++ {
		err = tx.Query(next, add, all[n-1])
	}
	return all, err
}
