package x509lint

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
)

// The kinds of GeneralName, by tag: RFC 5280, section 4.2.1.6.
const (
	nameEmail = 1
	nameDNS   = 2
	nameDir   = 4
	nameURI   = 6
	nameIP    = 7
)

// altNames are what a SAN extension in DER holds beside what the template's fields say: kinds that they
// have no field for, such as the permanentIdentifier of a device.
type altNames struct {
	critical bool
	dirs     []pkix.RDNSequence
	other    uint16 // one bit for each other tag that occurs
}

// parseSAN reads a SAN extension that the template gives in DER. Its names of the ordinary kinds must be
// those of the fields, which is what everybody else judges.
func parseSAN(c *x509.Certificate, e *pkix.Extension) (*altNames, error) {
	n := &altNames{critical: e.Critical}
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(e.Value, &seq); err != nil || seq.Tag != asn1.TagSequence || seq.Class != 0 || !seq.IsCompound {
		return nil, problem("san-form", "the subject alternative names are not a sequence")
	}
	if len(seq.Bytes) == 0 {
		return nil, problem("san-form", "the subject alternative names are empty")
	}
	left := listNames(c)
	for rest := seq.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil || v.Class != asn1.ClassContextSpecific || v.Tag > 8 {
			return nil, problem("san-form", "the subject alternative names are malformed")
		}
		switch v.Tag {
		case nameEmail, nameDNS, nameURI, nameIP:
			key := altName{v.Tag, string(v.Bytes)}
			if !left[key] {
				return nil, problem("san-mismatch", "the subject alternative names in DER hold one that the template's fields do not")
			}
			left[key] = false
		case nameDir:
			dn, err := parseDN(v.Bytes)
			if err != nil {
				return nil, problem("san-form", "the subject alternative names hold a directory name that is none")
			}
			n.dirs = append(n.dirs, dn)
		default:
			n.other |= 1 << v.Tag
		}
	}
	for _, missing := range left {
		if missing {
			return nil, problem("san-mismatch", "the template's fields hold a name that the subject alternative names in DER do not")
		}
	}
	return n, nil
}

type altName struct {
	tag   int
	value string
}

func listNames(c *x509.Certificate) map[altName]bool {
	m := make(map[altName]bool, countNames(c))
	for _, s := range c.DNSNames {
		m[altName{nameDNS, s}] = true
	}
	for _, s := range c.EmailAddresses {
		m[altName{nameEmail, s}] = true
	}
	for _, u := range c.URIs {
		m[altName{nameURI, u.String()}] = true
	}
	for _, ip := range c.IPAddresses {
		m[altName{nameIP, string(plainIP(ip))}] = true
	}
	return m
}

// plainIP is how x509.CreateCertificate writes an address.
func plainIP(ip net.IP) net.IP {
	if v4 := ip.To4(); v4 != nil {
		return v4
	}
	return ip
}

// ReadSAN puts the names of the ordinary kinds that a SAN extension in DER holds into the fields of a
// template, in place of what is there: the extension is what will be signed. It reports whether there
// are names of other kinds, which have no field.
func ReadSAN(c *x509.Certificate, der []byte) (others bool, err error) {
	var seq asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &seq); err != nil || len(rest) > 0 || seq.Tag != asn1.TagSequence || seq.Class != 0 || !seq.IsCompound {
		return false, problem("san-form", "the subject alternative names are not a sequence")
	}
	c.DNSNames, c.EmailAddresses, c.IPAddresses, c.URIs = nil, nil, nil, nil
	for rest := seq.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &v); err != nil || v.Class != asn1.ClassContextSpecific {
			return false, problem("san-form", "the subject alternative names are malformed")
		}
		switch v.Tag {
		case nameDNS:
			c.DNSNames = append(c.DNSNames, string(v.Bytes))
		case nameEmail:
			c.EmailAddresses = append(c.EmailAddresses, string(v.Bytes))
		case nameIP:
			c.IPAddresses = append(c.IPAddresses, v.Bytes)
		case nameURI:
			u, err := url.Parse(string(v.Bytes))
			if err != nil {
				return false, problem("uri", "a subject alternative name is no URI")
			}
			c.URIs = append(c.URIs, u)
		default:
			others = true
		}
	}
	return others, nil
}
