// Package acme is the ACME protocol (RFC 8555) as a certificate authority needs it. So far it holds the words
// of the protocol, identifiers and problem documents, and the seam of what checks challenges: [Validator].
package acme
