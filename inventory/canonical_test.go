package inventory_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
)

// What a provisioner asks for is in the form in which the inventory keeps it.
func TestCanonicalAgreesWithProvisioners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9.-]{1,20}`), rapid.StringMatching(`[A-Za-z.]{1,8}@[A-Za-z.]{1,12}`),
			rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){3}`), rapid.StringMatching(`::[fF]{4}:10\.0\.0\.[0-9]`), rapid.String(),
		).Draw(t, "subject")
		for _, i := range provisioner.IdentifiersOf(s) {
			id := inventory.Identifier(i)
			require.Equal(t, id, id.Canonical())
		}
	})
}

func TestCanonicalIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := inventory.Identifier{
			Kind:  rapid.SampledFrom([]string{"hostname", "email", "ip", "uri", "key-fingerprint", "subject"}).Draw(t, "kind"),
			Value: rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Z@a-z:0-9.]{0,20}`)).Draw(t, "value"),
		}
		require.Equal(t, i.Canonical(), i.Canonical().Canonical())
	})
}

func TestValidateAttributes(t *testing.T) {
	self := map[string]any{}
	self["self"] = self
	many := make([]any, 20_000)
	for name, a := range map[string]map[string]any{
		"itself": self, "many": {"a": many}, "int": {"a": 1}, "NaN": {"a": math.NaN()}, "infinite": {"a": math.Inf(1)},
		"struct": {"a": struct{}{}}, "not UTF-8": {"a": "\xff"}, "key not UTF-8": {"\xff": "a"}, "strings": {"a": []string{"b"}},
	} {
		x := e("a")
		x.Attributes = a
		require.ErrorIs(t, x.Validate(), inventory.ErrInvalid, name)
	}
}

func TestCloneOfNil(t *testing.T) {
	require.Nil(t, (*inventory.Entity)(nil).Clone())
	require.ErrorIs(t, (*inventory.Entity)(nil).Validate(), inventory.ErrInvalid)
}
