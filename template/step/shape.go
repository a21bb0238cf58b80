package step

import (
	"errors"
	"fmt"
	"strings"
)

// shape is the set of fields that an object may have, and the shape of what they hold; a list has the
// shape of its elements. nil is a plain value, or a list of them. A field called anyName stands for all.
type shape map[string]shape

const anyName = "*"

// certificateFields are the fields of step's X.509 document.
var certificateFields = shape{
	"version": nil, "subject": nameFields, "rawSubject": nil,
	"issuer": nameFields, "serialNumber": nil, "subjectKeyId": nil, "authorityKeyId": nil, // to be empty
	"dnsNames": nil, "emailAddresses": nil, "ipAddresses": nil, "uris": nil, "sans": sanFields,
	"notBefore": nil, "notAfter": nil,
	"extensions": extensionFields, "keyUsage": nil, "extKeyUsage": nil, "unknownExtKeyUsage": nil,
	"ocspServer": nil, "issuingCertificateURL": nil, "crlDistributionPoints": nil, "policyIdentifiers": nil,
	"basicConstraints": constraintFields, "signatureAlgorithm": nil,
	"nameConstraints": {
		"critical": nil, "permittedDNSDomains": nil, "excludedDNSDomains": nil, "permittedIPRanges": nil,
		"excludedIPRanges": nil, "permittedEmailAddresses": nil, "excludedEmailAddresses": nil,
		"permittedURIDomains": nil, "excludedURIDomains": nil,
	},
}

// requestFields are the fields of step's certificate request document.
var requestFields = shape{
	"version": nil, "subject": nameFields,
	"dnsNames": nil, "emailAddresses": nil, "ipAddresses": nil, "uris": nil, "sans": sanFields,
	"extensions": extensionFields, "keyUsage": nil, "extKeyUsage": nil, "unknownExtKeyUsage": nil,
	"basicConstraints": constraintFields, "signatureAlgorithm": nil,
}

// sshFields are the fields of step's SSH document.
var sshFields = shape{
	"type": nil, "keyId": nil, "principals": nil, "validAfter": nil, "validBefore": nil,
	"criticalOptions": {anyName: nil}, "extensions": {anyName: nil},
	"nonce": nil, "serial": nil, "reserved": nil, // to be empty
}

var (
	nameFields = shape{
		"country": nil, "organization": nil, "organizationalUnit": nil, "locality": nil, "province": nil,
		"streetAddress": nil, "postalCode": nil, "serialNumber": nil, "commonName": nil,
		"extraNames": {"type": nil, "value": nil},
	}
	sanFields = shape{"type": nil, "value": nil, "asn1Value": {
		"identifier": nil, "assigner": nil, // permanentIdentifier
		"type": nil, "serialNumber": nil, // hardwareModuleName; the latter in a name, too
		"country": nil, "organization": nil, "organizationalUnit": nil, "locality": nil, "province": nil,
		"streetAddress": nil, "postalCode": nil, "commonName": nil,
		"extraNames": {"type": nil, "value": nil},
	}}
	extensionFields  = shape{"id": nil, "critical": nil, "value": nil}
	constraintFields = shape{"isCA": nil, "maxPathLen": nil}
)

func (s shape) of(key string) shape {
	if f, ok := s[anyName]; ok {
		return f
	}
	return s[key]
}

// knows reports an error when there is no field of that exact name. encoding/json would take one that
// differs in case for it.
func (s shape) knows(key string) error {
	if _, ok := s[anyName]; ok {
		if key == "" {
			return errors.New("a field without a name")
		}
		return nil
	}
	if _, ok := s[key]; ok {
		return nil
	}
	for k := range s {
		if strings.EqualFold(k, key) {
			return fmt.Errorf("there is no field %.60q; did you mean %q?", key, k)
		}
	}
	return fmt.Errorf("there is no field %.60q", key)
}

var errReserved = errors.New("the authority sets this field, and a template must not")

// reserved reports whether a field of a certificate is the authority's, so that it must be empty.
func reserved(field string) bool {
	switch field {
	case "issuer", "serialNumber", "subjectKeyId", "authorityKeyId":
		return true
	case "nonce", "serial", "reserved": // of SSH certificates
		return true
	}
	return false
}

// parent cuts the last step from a path without indexes.
func parent(field string) string {
	if f, ok := strings.CutSuffix(field, "[]"); ok {
		return f
	}
	return field[:max(strings.LastIndexByte(field, '.'), 0)]
}

// withoutIndexes turns sans[2].type into sans[].type.
func withoutIndexes(field string) string {
	var b strings.Builder
	for _, r := range field {
		if r < '0' || r > '9' || !strings.HasSuffix(b.String(), "[") {
			b.WriteRune(r)
		}
	}
	return b.String()
}
