// Package acmetest says what an acme.Store means: a suite that every implementation runs, and a decorator that makes
// a store fail.
//
//	func TestStore(t *testing.T) { acmetest.Store(t, open) }
package acmetest
