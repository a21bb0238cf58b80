// Package acmetest is for the tests of whatever has to do with ACME.
//
// [New] makes an ACME CA for the unit tests of clients: in process, without sockets, with a clock and failures that the
// test drives. [Store] says what an acme.Store means, and [Validator] what an acme.Validator does: suites that every
// implementation runs. [Faulty] makes a store fail.
//
//	func TestStore(t *testing.T) { acmetest.Store(t, open) }
package acmetest
