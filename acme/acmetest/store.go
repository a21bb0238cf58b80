package acmetest

import (
	"context"
	"testing"

	"github.com/chancery-ca/chancery/acme"
)

// Store runs the suite. open returns an empty store, and closes it, if need be, by t.Cleanup.
func Store(t *testing.T, open func(t *testing.T) acme.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, acme.Store)
	}{
		{"Spend/once", spendOnce},
		{"Spend/accounts", spendAccounts},
		{"Spend/with every method", spendWithEverything},
		{"Spend/stays spent", spendStays},
		{"Account/round trip", accountRoundTrip},
		{"Account/one key", accountExists},
		{"Account/update", accountUpdate},
		{"Account/another key", accountRollover},
		{"External key/round trip", keyRoundTrip},
		{"External key/list", keyList},
		{"External key/used once", keyOnce},
		{"External key/unusable", keyUnusable},
		{"External key/nothing is used in vain", keyInVain},
		{"Order/round trip", orderRoundTrip},
		{"Order/returned again", orderReused},
		{"Order/not returned", orderNotReused},
		{"Order/rests on what is there", orderRests},
		{"Order/wildcards", orderWildcards},
		{"Order/replaces", orderReplaces},
		{"Order/update", orderUpdate},
		{"Order/that no store records", orderUnfit},
		{"Order/many identifiers", orderWide},
		{"Order/of a certificate", orderOf},
		{"Orders/pages", ordersPages},
		{"Orders/which", ordersWhich},
		{"Authorization/round trip", authRoundTrip},
		{"Authorization/update", authUpdate},
		{"Authorization/any data", authData},
		{"Holds", holds},
		{"Due/orders", dueOrders},
		{"Due/authorizations", dueAuthorizations},
		{"Limits/pending authorizations", maxPending},
		{"Limits/tallies", tallies},
		{"Limits/tallies of accounts", talliesOfAccounts},
		{"Limits/tallies of orders", talliesOfOrders},
		{"Limits/tallies of authorizations", talliesOfAuthorizations},
		{"Secret", secrets},
		{"Prune/what is past its end", pruneEnded},
		{"Prune/orders and authorizations", pruneOrders},
		{"Prune/accounts", pruneAccounts},
		{"Prune/budget", pruneBudget},
		{"Copies", copies},
		{"Context ended", contextEnded},
		{"Race/one nonce", raceNonce},
		{"Race/one account", raceAccount},
		{"Race/one key for two accounts", raceRollover},
		{"Race/external key", raceKey},
		{"Race/lost updates", raceUpdates},
		{"Race/same order", raceSameOrder},
		{"Race/different orders", raceDifferentOrders},
		{"Race/shared names", raceSharedNames},
		{"Race/limits", raceLimits},
		{"Race/replaces", raceReplaces},
		{"Race/secret", raceSecret},
		{"Race/everything", raceEverything},
		{"Any history", history},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

var ctx = context.Background()
