package acmetest_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/stretchr/testify/require"
)

// Every method goes through On, under its own name, and returns what On does.
func TestFaultyMethods(t *testing.T) {
	called, injected := "", errors.New("injected")
	f := &acmetest.Faulty{On: func(op string, _ func() error) error { called = op; return injected }}
	store := reflect.TypeFor[acme.Store]()
	for i := range store.NumMethod() {
		m := store.Method(i)
		var args []reflect.Value
		for n := range m.Type.NumIn() {
			if m.Type.IsVariadic() && n == m.Type.NumIn()-1 {
				break
			}
			args = append(args, reflect.Zero(m.Type.In(n)))
		}
		called = ""
		out := reflect.ValueOf(f).MethodByName(m.Name).Call(args)
		require.Equal(t, m.Name, called)
		require.Equal(t, injected, out[len(out)-1].Interface())
		for _, v := range out[:len(out)-1] {
			require.True(t, v.IsZero(), m.Name)
		}
	}
}

func TestFaultyPassesEverything(t *testing.T) {
	acmetest.Store(t, func(*testing.T) acme.Store { return &acmetest.Faulty{Store: acme.NewMemory()} })
}
