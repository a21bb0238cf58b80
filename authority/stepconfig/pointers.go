package stepconfig

import (
	"net"
	"net/url"
	"strings"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
)

// Where the URLs that certificates carry by default lead to, below the one of the plain HTTP listener.
const (
	OCSPPath    = "/ocsp"
	IssuersPath = "/issuers/" // and the issuer's name, and ".cer": its certificate in DER
)

// pointers is what chancery.json says about the URLs in certificates.
type pointers struct {
	*node
	url  string // the base; empty: that of the plain HTTP listener
	said authority.Pointers
}

// readRevocation reads how relying parties find out what is revoked.
func (f *File) readRevocation(s *section) {
	f.OCSP = s.boolean("ocsp")
	shards := s.count("shards", 4096)
	f.CRL.Delta = s.boolean("delta")
	set(&f.CRL.DeltaValidity, s.duration("deltaValidity"))
	switch {
	case !f.CRL.Enabled && shards > 0:
		s.faults.add(s.at("shards"), "needs crl.enabled in ca.json")
	case !f.CRL.Enabled && f.CRL.Delta:
		s.faults.add(s.at("delta"), "needs crl.enabled in ca.json")
	case !f.CRL.Delta && f.CRL.DeltaValidity != 0:
		s.faults.add(s.at("deltaValidity"), "needs delta")
	case f.CRL.DeltaValidity != 0 && (f.CRL.DeltaValidity < leastCRL || f.CRL.DeltaValidity > orDay(f.CRL.Validity)):
		s.faults.add(s.at("deltaValidity"), "must be at least %s, and no longer than full CRLs are good", leastCRL)
	}
	if n := s.take("pointers"); n != nil {
		f.readPointers(open(n, s.faults))
		f.pointers.said.Shards = shards
	} else if shards > 0 {
		s.faults.add(s.at("shards"), "needs pointers: certificates have to say which CRL is theirs")
	}
	s.close()
}

func (f *File) readPointers(s *section) {
	p := &pointers{node: s.node, url: strings.TrimRight(s.url("url"), "/")}
	p.said = authority.Pointers{
		CRLDistributionPoints: s.urls("crl"), FreshestCRL: s.urls("freshestCRL"), OCSPServers: s.urls("ocsp"), IssuingCertificateURLs: s.urls("issuers"),
	}
	if !f.CRL.Enabled {
		s.unsupported("needs crl.enabled in ca.json", "crl", "freshestCRL")
	}
	s.close()
	f.pointers = p
}

// addPointers puts the URLs into the issuers. address is where the plain HTTP listener is.
func (f *File) addPointers(c *authority.Config, address string, all *faults) {
	p := f.pointers
	if p == nil {
		return
	}
	base := p.url
	if base == "" && address != "" {
		base = "http://" + strings.TrimPrefix(URL(f.DNSNames[0], address), "https://")
		if _, port, _ := net.SplitHostPort(address); port == "80" {
			base = strings.TrimSuffix(base, ":80")
		}
	}
	for i := range c.Issuers {
		to, ok := f.point(p.said, c.Issuers[i].Name, base)
		if !ok {
			all.add(p.node, "no URL is known: set url, or insecureAddress in ca.json")
			return
		}
		c.Issuers[i].Pointers = to
	}
}

// point fills in what was left open. It reports false if a URL is wanted and there is no base to make it of.
func (f *File) point(to authority.Pointers, issuer, base string) (authority.Pointers, bool) {
	ok := true
	set := func(list *[]string, wanted bool, urls ...string) {
		if len(*list) == 0 && wanted {
			*list = urls
			ok = ok && base != ""
		}
	}
	def := crl.Pointers(base, issuer, to.Shards, f.CRL.Delta)
	if len(to.CRLDistributionPoints) == 0 && f.idpURL != "" && f.CRL.Enabled && to.Shards == 0 {
		to.CRLDistributionPoints = []string{f.idpURL}
	}
	set(&to.CRLDistributionPoints, f.CRL.Enabled, def.CRLDistributionPoints...)
	set(&to.FreshestCRL, f.CRL.Delta, def.FreshestCRL...)
	set(&to.OCSPServers, f.OCSP, base+OCSPPath)
	set(&to.IssuingCertificateURLs, true, base+IssuersPath+url.PathEscape(issuer)+".cer")
	return to, ok
}
