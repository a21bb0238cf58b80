package acme

import (
	"fmt"
	"net/netip"
	"strings"
)

// IdentifierType says what kind of thing an identifier names.
type IdentifierType string

// The types of identifiers.
const (
	DNS                 IdentifierType = "dns"                  // RFC 8555, section 9.7.7
	IP                  IdentifierType = "ip"                   // RFC 8738
	PermanentIdentifier IdentifierType = "permanent-identifier" // device attestation, RFC 4043
	HardwareModule      IdentifierType = "hardware-module"      // device attestation, RFC 4108
)

// Identifier is what a certificate is asked for. Values have one spelling: see [ParseIdentifier].
type Identifier struct {
	Type  IdentifierType `json:"type"`
	Value string         `json:"value"`
}

// maxDeviceID bounds the identifiers of devices, which have no syntax of their own.
const maxDeviceID = 255

// ParseIdentifier checks an identifier that a client sent and returns it in its one spelling: DNS names in
// lower case, with "*." in front for a wildcard; addresses as RFC 5952 writes them. Its error is a
// [*Problem], of type UnsupportedIdentifier or Malformed.
func ParseIdentifier(t IdentifierType, value string) (Identifier, error) {
	id := Identifier{Type: t, Value: value}
	bad := func(why string) (Identifier, error) {
		return Identifier{}, &Problem{Type: Malformed, Detail: fmt.Sprintf("%s identifier: %s", t, why)}
	}
	switch t {
	case DNS:
		id.Value = strings.ToLower(value)
		if why := dnsFault(strings.TrimPrefix(id.Value, "*.")); why != "" {
			return bad(why)
		}
	case IP:
		ip, err := netip.ParseAddr(value)
		if err != nil || ip.Zone() != "" {
			return bad("it is not an IP address")
		}
		if id.Value = ip.Unmap().String(); ip.Is4In6() {
			return bad("an IPv4 address is written as one")
		}
	case PermanentIdentifier, HardwareModule:
		if value == "" || len(value) > maxDeviceID || strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			return bad("it is not 1 to 255 printable characters")
		}
	default:
		return Identifier{}, &Problem{Type: UnsupportedIdentifier, Detail: "identifiers of that type are not served"}
	}
	return id, nil
}

// dnsFault says what is wrong with a DNS name in lower case, in the preferred syntax of RFC 1034, section
// 3.5, with digits at the beginning of labels (RFC 1123).
func dnsFault(s string) string {
	if len(s) == 0 || len(s) > 253 {
		return "a name has 1 to 253 characters"
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 {
			return "a label has 1 to 63 characters"
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return "a label does not begin or end with a hyphen"
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return "a name is made of letters, digits and hyphens"
			}
		}
	}
	if last := s[strings.LastIndexByte(s, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return "it is not a name but an address" // or would be taken for one
	}
	return ""
}

// Wildcard reports whether id stands for all names one label below a domain.
func (id Identifier) Wildcard() bool { return id.Type == DNS && strings.HasPrefix(id.Value, "*.") }

// Base returns the identifier that is to be proved: the domain, for a wildcard.
func (id Identifier) Base() Identifier {
	if id.Wildcard() {
		id.Value = id.Value[2:]
	}
	return id
}

// String returns id for people.
func (id Identifier) String() string { return string(id.Type) + ":" + id.Value }
