package stepconfig

import (
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
	a.challenges = readChallenges(s, usual, func(t acme.ChallengeType) string {
		switch t {
		case acme.DeviceAttest01:
			return "device attestation is not supported by this version"
		case acme.DNSAccount01, acme.DNSPersist01:
			return "step-ca would not start with it; put it in " + OwnFile + " beside this file"
		}
		return ""
	})
	if len(a.challenges) == 0 {
		a.challenges = usual
	}
	s.unsupported("device attestation is not supported by this version", "attestationFormats", "attestationRoots")
	return a
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
