// Package challenge asks the network whether an ACME client controls an identifier: http-01, dns-01
// (RFC 8555), tls-alpn-01 (RFC 8737), also for IP addresses (RFC 8738), dns-account-01, dns-persist-01
// (drafts) and CAA (RFC 8659, RFC 8657). Each is an [acme.Validator].
//
// Whoever orders a certificate chooses whom the CA connects to, and what answers. So every connection goes to
// an address that [Addresses] let in, and to that very address; every answer has a limit in bytes and in time;
// and no problem that a client sees repeats what a server said, which address it has, or why exactly nobody
// could be reached: whether a host of the CA's network is up is not a stranger's to learn. What went wrong in
// full is the problem's Cause, for the CA's own log.
//
// Answers of the DNS are as good as the resolver. The servers that [NewClient] is given should validate
// DNSSEC and be reached over a trusted network.
package challenge
