// Package acme is the ACME protocol (RFC 8555) as a certificate authority needs it: the words of the protocol,
// identifiers and problem documents, and the two seams of a server. [Validator] is what checks challenges; those that ask
// the network are in package challenge. [Store] is what a server remembers; [Memory] is one for tests and throwaway
// authorities, and others are where the authority's own stores are. Package envelope reads what clients sign, package
// server is the server, and package acmetest the suite that says what a store means.
package acme
