package server

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/provisioner"
)

// checkCSR refuses a CSR that does not ask for exactly what the order says (RFC 8555, section 7.4): the same names in
// any order, and a common name, if any, that is one of them. Its signature and its key are for the pipeline to judge.
func checkCSR(csr *x509.CertificateRequest, o *acme.Order, auths []*acme.Authorization) error {
	bad := func(why string) error { return problem(acme.BadCSR, 0, "the certificate request %s", why) }
	if len(csr.EmailAddresses) > 0 || len(csr.URIs) > 0 {
		return bad("asks for names of a kind that orders do not have")
	}
	asked := map[acme.Identifier]bool{}
	for _, d := range csr.DNSNames {
		asked[acme.Identifier{Type: acme.DNS, Value: provisioner.CanonicalDNS(d)}] = true
	}
	for _, ip := range csr.IPAddresses {
		id, ok := ipIdentifier(ip)
		if !ok {
			return bad("asks for something that is no IP address")
		}
		asked[id] = true
	}
	cn := provisioner.CanonicalDNS(csr.Subject.CommonName)
	devices := 0
	for _, id := range o.Identifiers {
		if id.Type == acme.DNS || id.Type == acme.IP {
			continue
		}
		devices++
		if csr.Subject.CommonName != "" && csr.Subject.CommonName != id.Value {
			return bad("has another common name than the device's identifier")
		}
	}
	if cn != "" && devices == 0 {
		if ip, err := netip.ParseAddr(cn); err == nil {
			asked[acme.Identifier{Type: acme.IP, Value: ip.Unmap().String()}] = true
		} else {
			asked[acme.Identifier{Type: acme.DNS, Value: cn}] = true
		}
	}
	for _, id := range o.Identifiers {
		if id.Type != acme.DNS && id.Type != acme.IP {
			continue
		}
		if !asked[id] {
			return bad("does not ask for all identifiers of the order")
		}
		delete(asked, id)
	}
	if len(asked) > 0 {
		return bad("asks for names that the order does not have")
	}
	return checkKey(csr, auths)
}

// checkKey refuses a key that was not attested, where one was.
func checkKey(csr *x509.CertificateRequest, auths []*acme.Authorization) error {
	for _, a := range auths {
		if i := slices.IndexFunc(a.Challenges, func(c acme.Challenge) bool { return c.Status == acme.Valid && c.KeyID != "" }); i >= 0 && a.Challenges[i].KeyID != keyID(csr) {
			return problem(acme.Unauthorized, 0, "the certificate request has another key than the one that was attested")
		}
	}
	return nil
}

func ipIdentifier(ip net.IP) (acme.Identifier, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return acme.Identifier{Type: acme.IP, Value: a.Unmap().String()}, ok
}
