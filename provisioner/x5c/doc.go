// Package x5c is step's X5C provisioner: whoever has a certificate under one of its roots may make
// one-time tokens with the certificate's key, and what the token says is granted. A new certificate ends
// with the one that signed the token; it is renewed by itself, for as long as renewal is allowed.
//
// Any name may be asked for by any such certificate, unless policy or the inventory says otherwise: the
// inventory is asked for the certificate that signed the token, never for the token's own subject.
// Whether that certificate was revoked by its own authority is not looked up.
package x5c
