package sqlstore
import ("testing";"fmt";"context";"github.com/chancery-ca/chancery/acme";"github.com/chancery-ca/chancery/acme/acmetest")
func TestZZ(t *testing.T) {
	s, n := notedStore(t)
	ctx := context.Background()
	a := acmetest.Account(1)
	s.NewAccount(ctx, nil, a)
	n.seen = map[string]bool{}
	o := acmetest.NewOrder(a, "o", "a.example", "b.example")
	tally := acme.Tally{Key: "t", Limit: 100}
	o.Order.Replaces, o.MaxPending, o.Tallies, o.Unless = "x", 100, []acme.Tally{tally, {Key: "u", Limit: 100}}, []acme.Tally{tally}
	_,_,err := s.NewOrder(ctx, acmetest.Pass(a), o)
	fmt.Println(err)
	s.Prune(ctx, acmetest.Start.AddDate(1,0,0), 0)
	s.Holds(ctx, a.ID, o.Order.Identifiers, acmetest.Start)
	for q := range n.seen { fmt.Println(q, "\n   ", plan(t, n.db, q), "\n") }
}
