package sqlstore

import (
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// pruneSlice is how many rows are deleted in one transaction, so that nobody waits long for it.
const pruneSlice = 100

// PruneInSlices does what Store.Prune says, in several small transactions, each of which write makes and
// commits. What it returns with an error was deleted.
func PruneInSlices(p authority.Prune, write func(func(Tx) error) error) (authority.Pruned, error) {
	if p.Now.IsZero() {
		p.Now = time.Now()
	}
	left := p.Limit
	if left <= 0 {
		left = 1000
	}
	var total authority.Pruned
	for {
		slice := p
		slice.Limit = min(left, pruneSlice)
		var n authority.Pruned
		err := write(func(tx Tx) (err error) {
			n, err = Prune(tx, slice)
			return err
		})
		if err != nil {
			return total, err
		}
		left -= n.Spent + n.Certificates + n.Events
		total.Spent, total.Certificates, total.Events = total.Spent+n.Spent, total.Certificates+n.Certificates, total.Events+n.Events
		if total.More = n.More; left <= 0 || !n.More {
			return total, nil
		}
	}
}
