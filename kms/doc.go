// Package kms holds private keys behind two small interfaces: [Signer], one key that signs with a
// context, and [KeyManager], which opens and makes keys by name.
//
// Any crypto.Signer becomes a Signer through [FromCrypto], and any Signer a crypto.Signer through
// [ToCrypto]. [Memory] keeps keys in memory; keys in PEM files are in kms/softkms. This package uses
// nothing but the standard library.
package kms
