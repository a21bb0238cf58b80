package stepconfig

import (
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/chancery-ca/chancery/acme"
)

// acmeSpec is what ca.json says about an ACME provisioner, beside what every kind has.
type acmeSpec struct {
	forceCN    bool
	requireEAB bool
	terms      string // URL
	website    string // URL
	caa        []string
	challenges []acme.ChallengeType // not empty
	formats    []string             // of attestation statements
	roots      []*x509.Certificate  // of those who make devices
}

// usual are the challenges of a provisioner that names none.
var usual = []acme.ChallengeType{acme.HTTP01, acme.DNS01, acme.TLSALPN01}

func readACME(s *section) *acmeSpec {
	a := &acmeSpec{
		forceCN: s.boolean("forceCN"), requireEAB: s.boolean("requireEAB"), terms: s.url("termsOfService"), website: s.url("website"),
		caa: s.strings("caaIdentities"),
	}
	for _, name := range a.caa {
		if !isHost(name) {
			s.faults.add(s.at("caaIdentities"), "%.200q is not a domain", name)
		}
	}
	a.challenges = readChallenges(s, append(usual[:len(usual):len(usual)], acme.DeviceAttest01), func(t acme.ChallengeType) string {
		switch t {
		case acme.DNSAccount01, acme.DNSPersist01:
			return "step-ca would not start with it; put it in " + OwnFile + " beside this file"
		}
		return ""
	})
	if len(a.challenges) == 0 {
		a.challenges = usual
	}
	a.readAttestation(s)
	return a
}

// formats are the attestation statements that there are, by their names in ca.json, which are those on the wire.
var formats = []string{"apple", "step", "tpm"}

// readAttestation reads what device-attest-01 needs. step-ca brings the roots of Apple and Yubico along; here whoever
// trusts a maker says so.
func (a *acmeSpec) readAttestation(s *section) {
	for _, n := range s.list("attestationFormats") {
		f, _ := n.value.(string)
		if f = strings.ToLower(f); !slices.Contains(formats, f) {
			s.faults.add(n, "%.100q is not a format that is supported; these are: %s", f, strings.Join(formats, ", "))
		}
		a.formats = append(a.formats, f)
	}
	if len(a.formats) == 0 {
		a.formats = formats
	}
	if text := s.str("attestationRoots"); text != "" {
		b, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			a.roots, err = parseCertificates(b)
		}
		if err != nil {
			s.faults.add(s.at("attestationRoots"), "is not certificates in PEM, in base64")
		}
		return
	}
	if slices.Contains(a.challenges, acme.DeviceAttest01) {
		s.faults.add(s.at("attestationRoots"), "is missing: device-attest-01 needs the roots of those who make the devices, none of which this CA brings along")
	}
}

// readChallenges reads a list of challenges, in which those of known are good. hint says why another is not.
func readChallenges(s *section, known []acme.ChallengeType, hint func(acme.ChallengeType) string) []acme.ChallengeType {
	var out []acme.ChallengeType
	for _, n := range s.list("challenges") {
		v, _ := n.value.(string)
		t := acme.ChallengeType(strings.ToLower(v))
		switch {
		case slices.Contains(out, t):
			s.faults.add(n, "%.100q is there twice", v)
		case slices.Contains(known, t):
			out = append(out, t)
		case hint(t) != "":
			s.faults.add(n, "%s: %s", t, hint(t))
		default:
			s.faults.add(n, "%.100q is not a challenge that is known here", v)
		}
	}
	return out
}

// public is what step's clients read of the provisioner, beside what the server says itself.
func (p *spec) public() map[string]any {
	m := map[string]any{}
	for _, key := range []string{"claims", "termsOfService", "website", "caaIdentities"} {
		if n, ok := p.members[key]; ok && !n.blank() {
			m[key] = n.plain()
		}
	}
	return m
}
