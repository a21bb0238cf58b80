package sshca

import (
	"bytes"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

var (
	caKeys = []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
	}
	subjectKeys = append(slices.Clone(caKeys), ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256)
)

const (
	minRSABits = 3072
	maxRSABits = 16384 // OpenSSH's longest number
	maxKey     = 8 << 10
)

// LintKey judges the key that is to be certified: Ed25519, ECDSA, RSA of at least minRSA bits (zero means
// 3072), and both kinds of security keys. It returns nil when there is nothing wrong.
func LintKey(k ssh.PublicKey, minRSA int) *Problem { return lintKey(k, "subject", minRSA, subjectKeys) }

// LintCAKey judges the key of a CA: Ed25519, ECDSA, or RSA from 3072 bits. It returns nil when there is
// nothing wrong.
func LintCAKey(k ssh.PublicKey) *Problem { return lintKey(k, "CA", minRSABits, caKeys) }

// lintKey judges the bytes, because they are what is signed: a PublicKey may be anybody's type.
func lintKey(k ssh.PublicKey, whose string, minRSA int, types []string) *Problem {
	switch k := k.(type) {
	case nil:
		return problem(NoKey, "there is no key of the %s", whose)
	case *ssh.Certificate: // of which nil cannot be encoded
		return problem(KeyIsCertificate, "the key of the %s is a certificate", whose)
	default:
		return lintWire(k.Marshal(), whose, minRSA, types)
	}
}

func lintWire(wire []byte, whose string, minRSA int, types []string) *Problem {
	var w struct {
		Type string
		Rest []byte `ssh:"rest"`
	}
	switch err := ssh.Unmarshal(wire, &w); {
	case err != nil:
		return problem(MalformedKey, "the key of the %s is malformed", whose)
	case strings.Contains(w.Type, "-cert-v"):
		return problem(KeyIsCertificate, "the key of the %s is a certificate", whose)
	case !slices.Contains(types, w.Type):
		return problem(WrongKeyType, "the key of the %s is of type %.60q", whose, w.Type)
	case len(wire) > maxKey:
		return problem(WrongKeySize, "the key of the %s takes %d bytes, more than %d", whose, len(wire), maxKey)
	}
	switch w.Type {
	case ssh.KeyAlgoRSA:
		if p := lintRSA(w.Rest, whose, minRSA); p != nil {
			return p
		}
	case ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		if p := lintApplication(w.Type, w.Rest, whose); p != nil {
			return p
		}
	}
	if parsed, err := ssh.ParsePublicKey(wire); err != nil || !bytes.Equal(parsed.Marshal(), wire) {
		return problem(MalformedKey, "the key of the %s is malformed", whose)
	}
	return nil
}

func lintRSA(fields []byte, whose string, minRSA int) *Problem {
	var w struct{ E, N *big.Int }
	if err := ssh.Unmarshal(fields, &w); err != nil || w.N.Sign() <= 0 || w.N.Bit(0) == 0 {
		return problem(MalformedKey, "the key of the %s is malformed", whose)
	}
	if minRSA == 0 {
		minRSA = minRSABits
	}
	if n := w.N.BitLen(); n < minRSA || n > maxRSABits {
		return problem(WrongKeySize, "the key of the %s is RSA of %d bits, and not %d to %d", whose, n, minRSA, maxRSABits)
	}
	return nil
}

// lintApplication looks at what a security key was made for, which OpenSSH reads as a C string. The rest
// of the key is for ParsePublicKey.
func lintApplication(typ string, fields []byte, whose string) *Problem {
	var w struct{ Curve, Point, Application string }
	if typ == ssh.KeyAlgoSKED25519 { // the other with an empty name of a curve
		fields = append(make([]byte, 4), fields...)
	}
	if err := ssh.Unmarshal(fields, &w); err != nil || strings.ContainsFunc(w.Application, hidden) {
		return problem(MalformedKey, "the key of the %s is malformed", whose)
	}
	return nil
}
