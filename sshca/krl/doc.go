// Package krl makes, reads, publishes and fetches OpenSSH's key revocation lists (PROTOCOL.krl): what sshd
// and ssh want in RevokedKeys and RevokedHostKeys.
//
// A [Publisher] serves the list of an authority, a [Fetcher] keeps a file of it on a host, and a [List] is
// what there is in one, for Go programs to ask with [List.Revokes].
//
// sshd lets nobody in by a key while it cannot read its list. So what is written here is what OpenSSH reads,
// and what OpenSSH would not read is no list here, but for the extensions that [Parse] speaks of. OpenSSH does
// not check signatures, so a list is to be checked by whoever puts it into the file: a Fetcher with Keys.
//
// A revocation counts once the source knows it, the Publisher has asked (Options.Every), caches have let go
// (Options.MaxAge) and the Fetcher has fetched.
package krl
