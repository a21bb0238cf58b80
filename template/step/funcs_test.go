package step

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	ttemplate "text/template"

	"github.com/Masterminds/sprig/v3"
	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/x509util"
)

// Every function of sprig and step has been looked at. A new one fails here until somebody has decided.
func TestEveryFunctionIsClassified(t *testing.T) {
	all := sprig.TxtFuncMap()
	maps.Copy(all, x509util.GetFuncMap())
	for name := range all {
		_, no := refused[name]
		yes := slices.Contains(allowed, name)
		require.True(t, yes != no, "%s: allowed %v, refused %v", name, yes, no)
	}
	for _, name := range allowed {
		require.Contains(t, all, name)
	}
	for name := range refused {
		require.True(t, all[name] != nil || name == "call", name)
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(allowed))), len(allowed))
}

// What runs has nothing in it but allowed functions and our escapers, whatever the parser thinks.
func TestNothingElseIsReachable(t *testing.T) {
	for name := range allowedFuncs(&compiled{}) {
		if !strings.HasPrefix(name, "_") {
			require.Contains(t, allowed, name)
		}
	}
	for name := range refused {
		for _, text := range []string{
			`{"subject": "{{ NAME "a" }}"}`, `{"subject": "{{ "a" | NAME }}"}`, `{"subject": "{{ (NAME "a").B }}"}`,
			`{{ $x := NAME "a" }}{"subject": ""}`, `{{ $x := 1 }}{{ $x = NAME "a" }}{"subject": ""}`,
			`{"subject": "{{ with NAME "a" }}{{ end }}"}`, `{"subject": "{{ range $a := NAME "a" }}{{ end }}"}`,
			`{"subject": "{{ if not (eq 1 (len (NAME "a"))) }}{{ end }}"}`, `{"subject": "{{ if .X }}{{ else if NAME "a" }}{{ end }}"}`,
			`{{ define "d" }}{{ NAME "a" }}{{ end }}{"subject": ""}`, `{"subject": "{{ block "d" (NAME "a") }}{{ end }}"}`,
			`{"subject": "{{ fail (NAME "a") }}"}`, `{"subject": "{{ if .X }}{{ fail "" }}{{ NAME "a" }}{{ end }}"}`,
		} {
			_, err := Parse("t", strings.ReplaceAll(text, "NAME", name))
			require.ErrorContains(t, err, `"`+name+`"`, text)
		}
	}
}

// Functions with a limit return what the originals do, within it.
func TestLimitedFunctions(t *testing.T) {
	original, ours := sprig.TxtFuncMap(), allowedFuncs(&compiled{})
	for name, args := range map[string][][]any{
		"repeat":    {{3, "ab"}, {0, "a"}, {1, ""}},
		"indent":    {{4, "a\nb\n"}, {0, ""}},
		"nindent":   {{2, "a\nb"}},
		"until":     {{0}, {1}, {5}, {-3}},
		"untilStep": {{0, 10, 3}, {10, 0, -3}, {3, 3, 1}, {0, 3, -1}, {3, 0, 1}, {0, 3, 0}, {3, 0, 0}},
		"seq":       {{}, {5}, {0}, {-2}, {2, 5}, {5, 2}, {1, 2, 6}, {6, -2, 1}, {6, 2, 1}, {1, -1, 3}, {1, 0, 3}, {1, 2, 3, 4}, {1, 3, 1}},
		"quote":     {{"a"}, {"a", nil, 1}, {[]byte("b"), true}, {"a\nb"}},
	} {
		for _, a := range args {
			require.Equal(t, apply(t, original, name, a), apply(t, ours, name, a), "%s %v", name, a)
		}
	}
}

func apply(t *testing.T, funcs ttemplate.FuncMap, name string, args []any) any {
	t.Helper()
	f := reflect.ValueOf(funcs[name])
	var in []reflect.Value
	for i, a := range args {
		if a == nil {
			in = append(in, reflect.Zero(f.Type().In(min(i, f.Type().NumIn()-1)).Elem()))
			continue
		}
		in = append(in, reflect.ValueOf(a))
	}
	out := f.Call(in)
	if len(out) == 2 {
		require.True(t, out[1].IsNil(), "%s %v: %v", name, args, out[1])
	}
	return out[0].Interface()
}
