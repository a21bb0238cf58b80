package inventorytest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/inventory"
)

// Open returns an inventory that holds exactly these entities.
type Open func(t *testing.T, entities ...*inventory.Entity) inventory.Inventory

// Run tests an inventory; its lists too, if it is an inventory.Lister.
func Run(t *testing.T, open Open) {
	t.Run("Lookup", func(t *testing.T) { runLookup(t, open) })
	t.Run("Canonical", func(t *testing.T) { runCanonical(t, open) })
	t.Run("Copies", func(t *testing.T) { runCopies(t, open) })
	t.Run("Cancelled", func(t *testing.T) {
		i := open(t, Samples()...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := i.Lookup(ctx, query("hostname", "web.internal"))
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("Concurrency", func(t *testing.T) {
		i := open(t, Samples()...)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					e, err := i.Lookup(t.Context(), query("hostname", "web.internal"))
					if err != nil || e.ID != "host-1" {
						t.Errorf("%v, %v", e, err)
						return
					}
					e.Groups[0], e.Tags["site"] = "spoilt", "spoilt" // ours
				}
			})
		}
		wg.Wait()
	})
	t.Run("List", func(t *testing.T) { runList(t, open) })
}

func runLookup(t *testing.T, open Open) {
	i := open(t, Samples()...)
	for name, c := range map[string]struct {
		q    inventory.Query
		want string // "" is not found
	}{
		"by name":                       {query("hostname", "web.internal"), "host-1"},
		"by id of another system":       {query("instance-id", "i-AbC"), "host-1"},
		"first identifier wins":         {query("email", "Alice@corp.example", "hostname", "web.internal"), "alice@corp"},
		"order is the query's":          {query("hostname", "web.internal", "email", "Alice@corp.example"), "host-1"},
		"unknown ones are passed":       {query("hostname", "no.internal", "ip", "10.0.0.1"), "host-1"},
		"inactive, as it is":            {query("hostname", "old.internal"), "host-2"},
		"inactive does not give way":    {query("hostname", "old.internal", "hostname", "web.internal"), "host-2"},
		"nothing asked":                 {query(), ""},
		"unknown":                       {query("hostname", "no.internal"), ""},
		"kind is compared":              {query("subject", "web.internal"), ""},
		"an ID is no identifier":        {query("id", "host-1", "", "host-1", "subject", "host-1"), ""},
		"a name is no identifier":       {query("subject", "Alice Ärmel", "name", "Alice Ärmel"), ""},
		"a DNS name is no identifier":   {query("hostname", "billing.internal"), ""},
		"no wildcards":                  {query("hostname", "*.internal", "hostname", "%", "hostname", "web_internal"), ""},
		"no prefixes":                   {query("hostname", "web", "hostname", "web.internal.", "hostname", "web.internal "), ""},
		"case counts in other kinds":    {query("instance-id", "i-abc"), ""},
		"case counts before the @":      {query("email", "alice@corp.example"), ""},
		"an empty value names no one":   {query("hostname", ""), ""},
		"kind and value do not run on ": {query("hostnameweb", ".internal"), ""},
	} {
		e, err := i.Lookup(t.Context(), c.q)
		if c.want == "" {
			require.ErrorIs(t, err, inventory.ErrNotFound, name)
			require.Nil(t, e, name)
			continue
		}
		require.NoError(t, err, name)
		for _, s := range Samples() {
			if s.ID == c.want {
				require.Equal(t, s, e, name)
			}
		}
		require.Equal(t, c.want, e.ID, name)
	}
}

func runCanonical(t *testing.T, open Open) {
	e := &inventory.Entity{ID: "odd", Kind: inventory.Host, Active: true, Identifiers: []inventory.Identifier{
		{Kind: "hostname", Value: "Odd.Internal"}, {Kind: "email", Value: "Root@Odd.Internal"}, {Kind: "ip", Value: "::ffff:10.9.9.9"}, {Kind: "key-fingerprint", Value: "ABCD"},
	}}
	i := open(t, e)
	for _, q := range []inventory.Query{
		query("hostname", "odd.internal"), query("hostname", "ODD.INTERNAL"), query("email", "Root@odd.internal"), query("email", "Root@ODD.internal"),
		query("ip", "10.9.9.9"), query("ip", "::ffff:10.9.9.9"), query("ip", "::FFFF:a09:909"), query("key-fingerprint", "abcd"),
	} {
		got, err := i.Lookup(t.Context(), q)
		require.NoError(t, err, q)
		require.Equal(t, "odd", got.ID)
		require.Equal(t, inventory.Identifier{Kind: "hostname", Value: "odd.internal"}, got.Identifiers[0])
	}
	_, err := i.Lookup(t.Context(), query("email", "root@odd.internal"))
	require.ErrorIs(t, err, inventory.ErrNotFound)
}

func runCopies(t *testing.T, open Open) {
	given := Samples()
	i := open(t, given...)
	spoil := func(e *inventory.Entity) {
		e.Active, e.Name = !e.Active, "spoilt"
		e.Identifiers[0].Value, e.Groups[0], e.Tags["site"], e.POSIX.UID = "spoilt", "spoilt", "spoilt", 0
		e.Attributes["roles"].([]any)[1].(map[string]any)["b"] = "spoilt"
	}
	spoil(given[0])
	got, err := i.Lookup(t.Context(), query("email", "Alice@corp.example"))
	require.NoError(t, err)
	require.Equal(t, Samples()[0], got, "what was handed in is shared")
	spoil(got)
	got, err = i.Lookup(t.Context(), query("email", "Alice@corp.example"))
	require.NoError(t, err)
	require.Equal(t, Samples()[0], got, "what was handed out is shared")
}

func runList(t *testing.T, open Open) {
	i := open(t, Samples()...)
	l, ok := inventory.As[inventory.Lister](i)
	if !ok {
		t.Skip("not a Lister")
	}
	require.Equal(t, Samples(), list(t, l, inventory.Filter{}))
	yes, no := true, false
	for name, c := range map[string]struct {
		f    inventory.Filter
		want []string
	}{
		"kind":            {inventory.Filter{Kind: inventory.Host}, []string{"host-1", "host-2"}},
		"group":           {inventory.Filter{Group: "staff"}, []string{"alice@corp", "svc-1"}},
		"no group":        {inventory.Filter{Group: "sta"}, nil},
		"tag":             {inventory.Filter{Tag: "site"}, []string{"alice@corp", "host-1", "host-2"}},
		"tag and value":   {inventory.Filter{Tag: "site=bern"}, []string{"alice@corp", "host-1"}},
		"tag, no value":   {inventory.Filter{Tag: "oncall="}, []string{"alice@corp"}},
		"tag, empty":      {inventory.Filter{Tag: "site="}, nil},
		"active":          {inventory.Filter{Active: &yes}, []string{"alice@corp", "building-7", "host-1", "svc-1"}},
		"not active":      {inventory.Filter{Active: &no}, []string{"host-2"}},
		"all must hold":   {inventory.Filter{Kind: inventory.Host, Tag: "site=bern", Group: "web", Active: &yes}, []string{"host-1"}},
		"all must hold 2": {inventory.Filter{Kind: inventory.Person, Tag: "site=bern", Group: "web"}, nil},
	} {
		for limit := range 4 {
			c.f.Limit = limit
			require.Equal(t, c.want, ids(list(t, l, c.f)), "%s, %d a page", name, limit)
		}
	}
	p, err := l.List(t.Context(), inventory.Filter{Limit: len(Samples())})
	require.NoError(t, err)
	require.Empty(t, p.Next, "a full last page is the last")
	p, err = l.List(t.Context(), inventory.Filter{Limit: 2})
	require.NoError(t, err)
	require.Len(t, p.Entities, 2)
	p.Entities[0].Groups[0] = "spoilt"
	require.Equal(t, Samples(), list(t, l, inventory.Filter{Limit: 2}), "lists hand out copies")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.List(ctx, inventory.Filter{})
	require.ErrorIs(t, err, context.Canceled)
}

// list walks through the pages.
func list(t *testing.T, l inventory.Lister, f inventory.Filter) []*inventory.Entity {
	t.Helper()
	var all []*inventory.Entity
	for {
		p, err := l.List(t.Context(), f)
		require.NoError(t, err)
		require.LessOrEqual(t, len(p.Entities), f.Size())
		all = append(all, p.Entities...)
		if p.Next == "" {
			return all
		}
		require.NotEqual(t, f.Cursor, p.Next, "the cursor stands still")
		f.Cursor = p.Next
	}
}

func ids(entities []*inventory.Entity) []string {
	var ids []string
	for _, e := range entities {
		ids = append(ids, e.ID)
	}
	return ids
}
