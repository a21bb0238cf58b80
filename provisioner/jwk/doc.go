// Package jwk is step's JWK provisioner: whoever has the private key may make one-time tokens, and what
// the token says is granted. The key usually travels encrypted under a password, and clients fetch it
// from the authority ([provisioner.Publisher]).
//
// A provisioner may have several keys, so that one can replace another while tokens by both are good.
// Package jwk also has the makers' side: [Generate], [Decrypt] and [Signer].
package jwk
