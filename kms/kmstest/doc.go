// Package kmstest says what the interfaces of package kms mean: [Run] for a key manager, [RunSigner]
// for a signer. It also has signers that misbehave on purpose: [Slow], [Flaky] and [Limited].
package kmstest
