// Package export writes the records of certificates for other programs, and reads them again.
//
// Records come as [authority.Authority.Each] yields them, and are written one at a time, so that memory does
// not depend on how many there are:
//
//	err := export.JSONLines(w, ca.Each(ctx, authority.Query{Status: authority.Issued}))
//
// [JSONLines] writes each record as one JSON object on a line of its own. Its members keep their names and
// meaning; new ones may be added:
//
//	serial         lower-case hex without leading zeros: the serial's spelling in this module
//	serialDecimal  the same number, as step's clients spell it
//	status         reserved, issued or abandoned
//	operation      what made it, such as x509/sign
//	issuer         the issuer's name in the configuration
//	shard          of the issuer's CRL; absent: only the complete one
//	subject        who asked, as authenticated
//	names          the subject alternative names, or the principals of an SSH certificate
//	notBefore      times are RFC 3339, in UTC, to the microsecond
//	notAfter
//	key            SHA-256 of the SubjectPublicKeyInfo, or of an SSH key's wire form, lower-case hex
//	provisioner
//	profile
//	entity         the inventory's ID
//	identifiers    of who asked: a list of {"kind", "value"}
//	previous       the serial that this one renews or rekeys
//	requestId
//	reservedAt     when the record came into being
//	issuedAt       absent unless issued
//	revocation     {"reasonCode", "reason", "revokedAt", "provisioner", "by"}; absent: not revoked
//	certificate    in PEM, or an SSH one as a line of OpenSSH's; absent unless issued, and after [Bare]
//	tbs            the TBSCertificate in base64; only where there is no certificate, and not after [Bare]
//
// Members whose value is empty are left out, but for serial, serialDecimal, status, notBefore, notAfter and
// reservedAt. [Parse] and [Read] make records of them again.
//
// [PEM] writes X.509 certificates alone.
package export
