package sqlstore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

const (
	pruneSpent        = "DELETE FROM spent WHERE id IN (SELECT id FROM spent WHERE until < ? ORDER BY until LIMIT ?)"
	selectEnded       = "SELECT id, subject, more FROM certificates WHERE not_after < ? AND status > 0 ORDER BY not_after LIMIT ?"
	deleteRevocation  = "DELETE FROM revocations WHERE certificate = ?"
	deleteCertificate = "DELETE FROM certificates WHERE id = ?"
)

// Prune does what Store.Prune says. The caller has filled in the defaults of p.
func Prune(tx Tx, p authority.Prune) (authority.Pruned, error) {
	n, err := tx.Exec(pruneSpent, p.Now.UnixMicro(), int64(p.Limit))
	out := authority.Pruned{Spent: int(n)}
	if left := p.Limit - out.Spent; err == nil && left > 0 && !p.Certificates.IsZero() {
		out.Certificates, err = pruneCertificates(tx, p.Certificates, left)
	}
	out.More = out.Spent+out.Certificates >= p.Limit
	return out, err
}

func pruneCertificates(tx Tx, before time.Time, limit int) (int, error) {
	type ended struct {
		id    int64
		terms []int64
	}
	var all []ended
	err := tx.Query(selectEnded, func(r Row) error {
		var m more
		if err := json.Unmarshal(r.blob(2), &m); err != nil {
			return fmt.Errorf("sqlstore: reading record %d: %w", r.int(0), err)
		}
		all = append(all, ended{r.int(0), terms(r.text(1), m.Names)})
		return nil
	}, before.UnixMicro(), int64(limit))
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		for _, t := range e.terms {
			if _, err := tx.Exec(deleteTerm, t, e.id); err != nil {
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
