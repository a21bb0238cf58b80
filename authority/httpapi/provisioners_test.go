package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/provisioner"
)

// publisher publishes what it is told to.
type publisher struct {
	provisioner.Provisioner
	public any
	keys   map[string]string
}

func (p publisher) Public() any                            { return p.public }
func (p publisher) EncryptedKey(kid string) (string, bool) { k, ok := p.keys[kid]; return k, ok }

type wrapper struct{ provisioner.Provisioner }

func (w wrapper) Unwrap() provisioner.Provisioner { return w.Provisioner }

func named(name string) provisioner.Provisioner {
	return provisioner.Func(name, func(context.Context, *provisioner.Request) (*provisioner.Grant, error) {
		return nil, provisioner.Refuse(provisioner.NotAllowed, "no", "no")
	})
}

func listed(names ...string) []provisioner.Provisioner {
	var ps []provisioner.Provisioner
	for _, n := range names {
		ps = append(ps, publisher{Provisioner: named(n), public: map[string]string{"type": "JWK", "name": n}})
	}
	return ps
}

type page struct {
	Provisioners []struct{ Name, Type string }
	NextCursor   string
}

func getPage(t require.TestingT, w *world, query string) (p page) {
	got := do(w.handler, request{method: "GET", path: "/provisioners" + query})
	require.Equal(t, 200, got.Code)
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &p))
	return p
}

// walk reads the whole list through pages of that size.
func walk(t require.TestingT, w *world, limit int) (names []string) {
	cursor := ""
	for range 1000 {
		p := getPage(t, w, fmt.Sprintf("?limit=%d&cursor=%s", limit, cursor))
		require.LessOrEqual(t, len(p.Provisioners), limit)
		for _, e := range p.Provisioners {
			names = append(names, e.Name)
		}
		if cursor = p.NextCursor; cursor == "" {
			return names
		}
	}
	require.Fail(t, "the list has no end")
	return nil
}

func TestProvisionersInPages(t *testing.T) {
	w := newWorld(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 20, 40), 0, 45, rapid.ID).Draw(t, "names")
		w.provs = listed(names...)
		got := walk(t, w, rapid.IntRange(1, 50).Draw(t, "limit"))
		require.Equal(t, slices.Clip(append([]string{}, utf8ed(names)...)), append([]string{}, got...))
	})
}

// utf8ed is what names are after JSON.
func utf8ed(names []string) []string {
	var out []string
	b, _ := json.Marshal(names)
	_ = json.Unmarshal(b, &out)
	return out
}

func TestProvisionersLimits(t *testing.T) {
	w := newWorld(t, nil)
	var names []string
	for i := range 130 {
		names = append(names, fmt.Sprint("p", i))
	}
	w.provs = listed(names...)
	for query, n := range map[string]int{
		"": 20, "?limit=": 20, "?limit=0": 20, "?limit=-5": 20, "?limit=7": 7, "?limit=100": 100, "?limit=101": 100, "?limit=999999": 100,
		"?cursor=nonsense": 20, "?cursor=zzzzzzzz00000000000000000000000000000000": 20,
	} {
		require.Len(t, getPage(t, w, query).Provisioners, n, query)
	}
	for _, query := range []string{"?limit=x", "?limit=1.5", "?limit=99999999999999999999", "?limit=%zz"} {
		requireError(t, 400, do(w.handler, request{method: "GET", path: "/provisioners" + query}))
	}
}

// TestCursorNamesAnEntry: a page goes on where the last one ended, though the list has changed.
func TestCursorNamesAnEntry(t *testing.T) {
	w := newWorld(t, nil)
	w.provs = listed("a", "b", "c", "d")
	cursor := getPage(t, w, "?limit=2").NextCursor
	w.provs = listed("new", "a", "b", "c", "d")
	require.Equal(t, "c", getPage(t, w, "?cursor="+cursor).Provisioners[0].Name)
	w.provs = listed("a", "b", "d")
	require.Equal(t, "d", getPage(t, w, "?cursor="+cursor).Provisioners[0].Name)
	w.provs = listed("a")
	require.Empty(t, getPage(t, w, "?cursor="+cursor).Provisioners)
}

func TestWhoIsListed(t *testing.T) {
	w := newWorld(t, nil)
	jwe := "a.b.c.d.e"
	w.provs = []provisioner.Provisioner{
		named("silent"),
		wrapper{publisher{Provisioner: named("many"), public: []any{map[string]string{"name": "one"}, map[string]string{"name": "two"}}, keys: map[string]string{"k1": jwe, "plain": `{"kty":"oct"}`, "none": ""}}},
		publisher{Provisioner: named("last"), public: map[string]string{"name": "three"}, keys: map[string]string{"k2": jwe}},
	}
	require.Equal(t, []string{"one", "two", "three"}, walk(t, w, 1))
	for kid, status := range map[string]int{"k1": 200, "k2": 200, "k3": 404, "none": 404, "plain": 404} {
		got := do(w.handler, request{method: "GET", path: "/1.0/provisioners/" + kid + "/encrypted-key"})
		require.Equal(t, status, got.Code, kid)
		if status == 200 {
			require.Equal(t, `{"key":"a.b.c.d.e"}`+"\n", got.Body.String())
		}
	}

	w.provs = []provisioner.Provisioner{publisher{Provisioner: named("bad"), public: func() {}}}
	requireError(t, 500, do(w.handler, request{method: "GET", path: "/provisioners"}))
}
