// Package oidc lets people, and the jobs of CI systems, have certificates for the ID tokens of an OpenID
// provider (OpenID Connect Core 1.0): step's OIDC provisioner.
//
// What a token gets its holder follows from its claims and from the configuration alone: an e-mail address
// becomes an X.509 name and SSH principals, and whoever is among the admins may have what they ask for. A
// token is spent once, by its nonce, its jti, or else by what its signature covers.
package oidc
