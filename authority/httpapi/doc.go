// Package httpapi is step-ca's HTTP API for an authority, as a plain http.Handler: what the step CLI,
// step-ca's Go client, step-issuer and others call works against it unchanged.
//
//	mux.Handle("/", httpapi.New(ca, nil))
//
// The listener, TLS and the path prefix are the embedder's; [TLSConfig] and [Timeouts] help with the
// first two, and http.StripPrefix works. Note that step's clients drop the path of the URL that they
// are given. Behind a proxy that terminates TLS, see [FromHeader]. [Routes] is the whole API: what is
// not in it (step-ca's routes for administration and SCEP, for instance) is answered with 404, and so are
// those of SSH if the authority certifies no SSH keys, and those of CRLs, OCSP and key revocation lists
// unless [Options] has something to hand them to.
//
// A provisioner that speaks a protocol of its own, an [authority.Guest] such as package acme/server's, is
// served at its path, /acme/name, and again below /2.0, where some of step's clients look. Such a path that
// no provisioner has is answered with 404 in plain text; step-ca says the same in JSON.
//
// Each request is limited in size, depth and time, whatever the server around it does; only clients that
// do not read their answers are left to the server's WriteTimeout, which [Timeouts] sets. Handlers read no
// credential that their route does not declare, and hand on everything that ends in a signature or a
// revocation to the authority, with the operation that the route declares.
//
// # Where it differs from step-ca
//
// Clients see no difference but for requests that step-ca should not have honoured, or should have.
//
// Tokens:
//
//   - A request that is refused does not use up its token; step-ca burns it.
//   - A token made before the authority was started is good; step-ca refuses it.
//   - A token must expire, and soon (an hour ahead unless the provisioner says otherwise).
//   - The port in a token's audience is compared, and so is the scheme; step-ca compares host and path.
//     A URL of the authority with the port "*" goes without. The audience "step-certificate-authority"
//     and that of /ssh/sign are not accepted for X.509, nor those of /sign and /revoke for SSH.
//   - A token's cnf must be one that is understood, and fit; its sha, if it looks like a fingerprint,
//     must be that of one of the authority's roots.
//
// Renewal:
//
//   - Renew and rekey go through today's provisioner, inventory and policy; step-ca asks only the
//     provisioner.
//   - A renew token for another audience is answered with 401; by step-ca with 500.
//   - A renew token is spent once, whatever provisioner the certificate is of.
//   - A certificate of which nobody knows who let it be issued is not renewed.
//   - An expired certificate of which the store has no record is not renewed, whatever its provisioner
//     says: its record, and with it its revocation, may have been pruned.
//   - A certificate that a withdrawn key of a provisioner let through is not renewed.
//
// Validity:
//
//   - A certificate may begin a minute ago (an SSH one a quarter of an hour, since step's clients settle it
//     before somebody logs in), or as long ago as its profile backdates, and ahead by no more than it may
//     live; step-ca takes any beginning.
//
// Policy:
//
//   - A denied common name is denied, and wildcard names need to be allowed even where a policy only
//     denies; in step-ca the first has no effect and the second are issued.
//
// SSH:
//
//   - Asking for fewer principals than the token or the provisioner allows gets those; for others, a refusal.
//   - A certificate with no principal, which sshd would take for everybody, is never made.
//   - What OpenID providers say is not verified (email_verified) lets nobody in.
//   - The list of hosts wants a client certificate in good standing, unless [SSHOptions] says otherwise;
//     in step-ca it is open. It and check-host know hosts whose certificates are good now, only.
//   - Renew and rekey go through today's sshpop provisioner, inventory and policy. A certificate whose record was
//     pruned, or that is revoked, is not renewed.
//   - /ssh/krl is ours: what is revoked, for sshd's RevokedKeys.
//
// Revocation:
//
//   - A token revokes certificates of its own provisioner only, unless the provisioner's
//     authority.Binding says RevokeAny; in step-ca any token revokes any certificate.
//   - A serial that the authority does not know is answered with 404; step-ca records it.
//   - A serial with a leading zero is refused; step-ca reads it as octal.
//   - The reason codes 7, which RFC 5280 does not use, and 8, which only takes entries off a CRL, are
//     refused.
//   - The reason is at most 1024 bytes long.
//
// HTTP:
//
//   - Data behind the JSON of a body, or behind the PEM of a CSR, is refused.
//   - Bodies are limited (see [Routes]) and answered with 413; late ones with 408. JSON that is nested
//     more than 32 levels deep is refused.
//   - A store or key that is out of reach is answered with 503 and Retry-After.
//   - X-Request-Id is taken over only if it is made of at most 128 letters, digits, "-", "_", "." and ":".
//   - The cursor of /provisioners names an entry: paging goes on where it was when the list has changed.
package httpapi
