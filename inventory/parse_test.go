package inventory_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/inventory/inventorytest"
)

func TestParseSamples(t *testing.T) {
	got, err := inventory.Parse([]byte(document(t, inventorytest.Samples()...)))
	require.NoError(t, err)
	require.Equal(t, inventorytest.Samples(), got)
	got, err = inventory.Parse([]byte(`{"entities":[]}`))
	require.NoError(t, err)
	require.Empty(t, got)
}

// Each fault is named with its line; the fields stand on a line each, from line 3.
func TestParseFaults(t *testing.T) {
	const good = `"id":"a","kind":"host","active":true`
	one := func(fields string) string {
		return "{\"entities\":[\n{\n" + strings.ReplaceAll(fields, ";", ",\n") + "}]}"
	}
	for name, c := range map[string]struct{ in, want string }{
		"empty":             {"", "line 1: "},
		"truncated":         {"{\"entities\": [\n{\"id\":", "line 2: unexpected end"},
		"syntax":            {"{\n\"entities\":\n[}", "line 3: invalid character"},
		"behind the end":    {"{\"entities\":[]}\n{}", "line 2: "},
		"a list":            {"[]", "line 1: not {"},
		"null":              {"null", "line 1: not {"},
		"nothing":           {"{}", "line 1: no entities"},
		"other field":       {"{\"entities\":[],\n\"version\":1}", `line 2: field "version"`},
		"twice":             {"{\"entities\":[],\n\"entities\":[]}", `line 2: field "entities"`},
		"other case":        {`{"Entities":[]}`, `line 1: field "Entities"`},
		"no list":           {"{\n\"entities\":{}}", "line 2: entities is not a list"},
		"not UTF-8":         {"{\"entities\":[\"\xff\"]}", "line 1: not UTF-8"},
		"no object":         {"{\"entities\":[\nnull]}", "line 2: an entity is not an object"},
		"no active":         {one(`"id":"a";"kind":"host"`), `line 2: entity "a" does not say whether it is active`},
		"active null":       {one(`"id":"a";"kind":"host";"active":null`), `line 2: entity "a" does not say`},
		"active text":       {one(`"id":"a";"kind":"host";"active":"yes"`), `line 5: field "active" does not take a string`},
		"Active":            {one(`"id":"a";"Active":true`), `line 4: unknown field "Active"`},
		"unknown field":     {one(good + `;"colour":"red"`), `line 4: unknown field "colour"`},
		"field twice":       {one(good + `;"active":false`), `line 4: field "active" given twice`},
		"deep unknown":      {one(good + `;"identifiers":[{"kind":"a","val":"b"}]`), `line 4: unknown field "val"`},
		"deep twice":        {one(good + `;"attributes":{"a":{"b":1,"b":2}}`), `line 4: field "b" given twice`},
		"posix":             {one(good + `;"posix":{"shel":"x"}`), `line 4: unknown field "shel"`},
		"uid":               {one(good + `;"posix":{"user":"a","uid":-1}`), `line 4: field "uid" does not take a number`},
		"invalid":           {one(`"id":"a b";"kind":"host";"active":true`), `line 2: inventory: invalid entity: id "a b"`},
		"kind":              {one(`"id":"a";"kind":"robot";"active":true`), `kind "robot"`},
		"second of two":     {"{\"entities\":[\n{" + good + "},\n{" + good + "}]}", "line 3: inventory: identifier names another entity: id a is taken on line 2"},
		"identifiers clash": {"{\"entities\":[\n{" + good + `,"identifiers":[{"kind":"hostname","value":"A.b"}]` + "},\n{" + `"id":"b","kind":"host","active":true,"identifiers":[{"kind":"hostname","value":"a.B"}]` + "}]}", `line 3: inventory: identifier names another entity: hostname "a.b" of b belongs to a`},
	} {
		got, err := inventory.Parse([]byte(c.in))
		require.ErrorContains(t, err, c.want, name)
		require.Nil(t, got, name)
		_, ok := err.(*inventory.LineError)
		require.True(t, ok || strings.HasPrefix(err.Error(), "line "), name)
	}
}

func TestParseReportsSeveral(t *testing.T) {
	_, err := inventory.Parse([]byte("{\"entities\":[\n1,\n{\"id\":\"a\"},\n{\"x\":1}]}"))
	require.Len(t, strings.Split(err.Error(), "\n"), 3)
	_, err = inventory.Parse([]byte(`{"entities":[` + strings.Repeat("1,", 5000) + `1]}`))
	require.Len(t, strings.Split(err.Error(), "\n"), 21)
}

func TestParseDepth(t *testing.T) {
	_, err := inventory.Parse([]byte(strings.Repeat("[", 5_000_000)))
	require.Error(t, err)
	_, err = inventory.Parse([]byte(`{"entities":[{"id":"a","kind":"host","active":true,"attributes":{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}]}`))
	require.ErrorIs(t, err, inventory.ErrInvalid)
}

// FuzzParse: an error with a line, or entities that are written and read back the same.
func FuzzParse(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzParse")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := inventory.Parse(data)
		if err != nil {
			require.Nil(t, got)
			require.True(t, strings.HasPrefix(err.Error(), "line "), err)
			return
		}
		again, err := inventory.Parse([]byte(document(t, got...)))
		require.NoError(t, err)
		require.Equal(t, len(got), len(again))
		for i := range got {
			require.Equal(t, got[i], again[i])
		}
		_, err = inventory.NewMemory(got...)
		require.NoError(t, err)
	})
}
