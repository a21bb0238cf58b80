// Package attest is the ACME challenge device-attest-01 (draft-ietf-acme-device-attest): a device proves its identifier,
// and that the key which the certificate is for is held by its hardware, with a statement that its maker's certificates
// vouch for.
//
// Which statements there are is for packages below this one to say, each a [Format]: apple, tpm and yubikey. None is
// accepted that was not configured, and none brings roots of its own.
package attest
