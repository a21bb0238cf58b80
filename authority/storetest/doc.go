// Package storetest says what an authority.Store means: a suite that every implementation runs, and a
// decorator that makes a store fail.
//
//	func TestStore(t *testing.T) { storetest.Run(t, open) }
package storetest
