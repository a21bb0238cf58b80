package authoritytest_test

import (
	"reflect"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/stretchr/testify/require"
)

func TestEveryMethodOfTheStoreIsAPoint(t *testing.T) {
	points := append(authoritytest.Points(), authoritytest.BackgroundPoints()...)
	store := reflect.TypeFor[authority.Store]()
	for i := range store.NumMethod() {
		require.Contains(t, points, authoritytest.Point(store.Method(i).Name))
	}
	seen := map[authoritytest.Point]bool{}
	for _, p := range points {
		require.False(t, seen[p], p)
		seen[p] = true
	}
}
