// Package softkms is a kms.KeyManager for private keys in PEM files: PKCS #8 (plain or encrypted),
// SEC 1 EC, PKCS #1 RSA (both also with the old PEM encryption), and OpenSSH. RSA from 2048 bits, ECDSA
// on P-256, P-384 and P-521, and Ed25519 are read; the keys it makes are PKCS #8.
//
// A key's name is a path, or a URI such as softkms:path=/etc/ca/issuing.pem.
package softkms
