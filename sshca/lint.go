package sshca

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

// Rules are what [Lint] asks for beyond what holds for every certificate. The zero value is the strictest.
type Rules struct {
	MinRSABits      int           // of the subject's key; zero means 3072
	MaxLife         time.Duration // from ValidAfter to ValidBefore; zero means that they must be set, no more
	CriticalOptions []string      // further ones; their values are not looked at
	Extensions      []string      // further names without an @; their values are not looked at
}

// Problem is why a certificate or key is refused. Code is one of the constants, for programs and
// statistics; Reason is for people, and quotes no more than the beginning of a value.
type Problem struct{ Code, Reason string }

func (p *Problem) Error() string { return p.Reason }

// The codes of problems.
const (
	NoCertificate    = "no-certificate"
	WrongType        = "wrong-type"        // neither user nor host
	WrongCA          = "wrong-ca"          // a user CA and a host certificate, or the reverse
	NoSerial         = "no-serial"         // zero
	WrongNonce       = "wrong-nonce"       // shorter than 16 bytes, or longer than 64
	WrongReserved    = "wrong-reserved"    // not empty
	WrongKeyID       = "wrong-key-id"      // too long, or with characters that could forge a line of a log
	NoPrincipals     = "no-principals"     // which would be all of them
	TooManyNames     = "too-many-names"    // more principals than OpenSSH reads
	WrongPrincipal   = "wrong-principal"   // empty, too long, or with a character that separates others
	WildPrincipal    = "wild-principal"    // a host's that is nothing but a wildcard
	SamePrincipals   = "same-principals"   // one is there twice
	WrongLife        = "wrong-life"        // without an end or a beginning, or with the one before the other
	LongLife         = "long-life"         // longer than the rules have it
	NoKey            = "no-key"            // the subject's or the CA's is missing
	KeyIsCertificate = "key-is-cert"       // the subject's or the CA's
	WrongKeyType     = "wrong-key-type"    // DSA, say, or a CA key that wants to be touched
	WrongKeySize     = "wrong-key-size"    // of an RSA key
	MalformedKey     = "malformed-key"     // not what the wire format says
	UserOption       = "user-option"       // a host certificate with what only users have
	UnknownOption    = "unknown-option"    // a critical option for which sshd would refuse the certificate
	UnknownExtension = "unknown-extension" // no known one, and no vendor's
	WrongValue       = "wrong-value"       // of a critical option or extension
	TooLong          = "too-long"          // the certificate as a whole
)

// The limits of a certificate. That of principals is OpenSSH's (SSHKEY_CERT_MAX_PRINCIPALS), which sets
// none on the rest but the length of a packet.
const (
	maxPrincipals  = 256
	maxPrincipal   = 512  // bytes of one; DNS names and addresses end at 254, SPIFFE IDs may be longer
	maxKeyID       = 1024 // bytes; it is in every line that sshd logs about a login
	maxUnsigned    = 32 << 10
	minNonce       = 16
	maxNonce       = 64
	maxValidBefore = 253402300799 // the last second of the year 9999
)

// Lint judges a certificate before it is signed by the CA of caType, ssh.UserCert or ssh.HostCert. The
// fields are as they will be signed, SignatureKey included; Signature is not looked at. The error is nil
// or a [*Problem], the first one found. The format is that of OpenSSH's PROTOCOL.certkeys.
func Lint(c *ssh.Certificate, caType uint32, rules Rules) error {
	if c == nil {
		return problem(NoCertificate, "there is no certificate")
	}
	for _, p := range []func() *Problem{
		func() *Problem { return lintType(c.CertType, caType) },
		func() *Problem { return lintKey(c.Key, "subject", rules.MinRSABits, subjectKeys) },
		func() *Problem { return LintCAKey(c.SignatureKey) },
		func() *Problem { return lintFixed(c) },
		func() *Problem { return lintKeyID(c.KeyId) },
		func() *Problem { return lintPrincipals(c.ValidPrincipals, c.CertType) },
		func() *Problem { return lintLife(c.ValidAfter, c.ValidBefore, rules.MaxLife) },
		func() *Problem { return lintOptions(c, rules) },
		func() *Problem { return lintLength(c) },
	} {
		if p := p(); p != nil {
			return p
		}
	}
	return nil
}

func problem(code, format string, args ...any) *Problem {
	return &Problem{code, fmt.Sprintf(format, args...)}
}

func lintType(typ, caType uint32) *Problem {
	switch {
	case typ != ssh.UserCert && typ != ssh.HostCert:
		return problem(WrongType, "a certificate of type %d is for neither users nor hosts", typ)
	case typ != caType:
		return problem(WrongCA, "a certificate of type %d, of a CA for those of type %d", typ, caType)
	}
	return nil
}

// lintFixed is about the fields that are the authority's own.
func lintFixed(c *ssh.Certificate) *Problem {
	switch n := len(c.Nonce); {
	case n < minNonce || n > maxNonce:
		return problem(WrongNonce, "a nonce of %d bytes, and not %d to %d", n, minNonce, maxNonce)
	case c.Serial == 0:
		return problem(NoSerial, "the serial number is zero, so the certificate could not be revoked by it")
	case len(c.Reserved) > 0:
		return problem(WrongReserved, "the reserved field is not empty")
	}
	return nil
}

func lintKeyID(id string) *Problem {
	switch {
	case len(id) > maxKeyID:
		return problem(WrongKeyID, "a key id of %d bytes, more than %d", len(id), maxKeyID)
	case !utf8.ValidString(id):
		return problem(WrongKeyID, "the key id is not UTF-8")
	case strings.ContainsFunc(id, hidden):
		return problem(WrongKeyID, "the key id %.60q has a control character or line break", id)
	}
	return nil
}

// hidden reports whether r does not show, or moves what stands around it: controls, line separators,
// marks of direction.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

func lintPrincipals(names []string, typ uint32) *Problem {
	switch n := len(names); {
	case n == 0:
		return problem(NoPrincipals, "no principals, which OpenSSH could take for all")
	case n > maxPrincipals:
		return problem(TooManyNames, "%d principals, more than the %d that OpenSSH reads", n, maxPrincipals)
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if p := lintPrincipal(name, typ); p != nil {
			return p
		}
		if seen[name] {
			return problem(SamePrincipals, "the principal %.60q is there twice", name)
		}
		seen[name] = true
	}
	return nil
}

// lintPrincipal lets spaces through inside a name, because Windows has such users. Lists of principals
// are separated by commas (ssh-keygen -n) and lines (AuthorizedPrincipalsFile).
func lintPrincipal(name string, typ uint32) *Problem {
	switch {
	case name == "":
		return problem(WrongPrincipal, "a principal is empty")
	case len(name) > maxPrincipal:
		return problem(WrongPrincipal, "a principal of %d bytes, more than %d", len(name), maxPrincipal)
	case !utf8.ValidString(name):
		return problem(WrongPrincipal, "the principal %.60q is not UTF-8", name)
	case strings.Contains(name, ","):
		return problem(WrongPrincipal, "the principal %.60q has a comma, and could be read as several", name)
	case strings.ContainsFunc(name, func(r rune) bool { return hidden(r) || r != ' ' && unicode.IsSpace(r) }):
		return problem(WrongPrincipal, "the principal %.60q has a control character or white space", name)
	case strings.Trim(name, " ") != name:
		return problem(WrongPrincipal, "the principal %.60q begins or ends with a space", name)
	case typ == ssh.HostCert && strings.ContainsAny(name, "*?") && strings.Trim(name, "*?.") == "":
		return problem(WildPrincipal, "the principal %.60q is every host", name)
	}
	return nil
}

func lintLife(after, before uint64, limit time.Duration) *Problem {
	switch {
	case after == 0:
		return problem(WrongLife, "the certificate has no beginning")
	case before == 0 || before > maxValidBefore:
		return problem(WrongLife, "the certificate has no end")
	case before <= after:
		return problem(WrongLife, "the certificate ends at %d, and begins at %d", before, after)
	}
	if limit != 0 && before-after > uint64(max(limit, 0)/time.Second) {
		return problem(LongLife, "a life of %d seconds, longer than %s", before-after, limit)
	}
	return nil
}

// lintLength must come last: only what has keys can be encoded.
func lintLength(c *ssh.Certificate) *Problem {
	own := *c
	own.Signature = nil
	if n := len(own.Marshal()); n > maxUnsigned {
		return problem(TooLong, "a certificate of %d bytes, more than %d", n, maxUnsigned)
	}
	return nil
}
