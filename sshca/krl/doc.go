// Package krl makes, reads, publishes and fetches OpenSSH's key revocation lists (PROTOCOL.krl): what sshd
// and ssh want in RevokedKeys and RevokedHostKeys.
//
// A [Publisher] serves the list of an authority, a [Fetcher] keeps a file of it on a host, and a [List] is
// what there is in one, for Go programs to ask with [List.Revokes].
package krl
