// Package sshca makes SSH certificates (OpenSSH's PROTOCOL.certkeys): an [Issuer] is the key of a CA for
// users or for hosts, which encodes, lints, signs and reads back what it is given. Who may have what is
// decided elsewhere: by package authority.
//
// Package krl, below, has revocation lists, and package snippet the files that clients and hosts need.
package sshca
