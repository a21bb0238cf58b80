package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Pointers are the URLs that an issuer's certificates carry, so that whoever relies on them finds out more.
// The zero value puts none in. A template that sets one of the two extensions itself is left alone.
type Pointers struct {
	// CRLDistributionPoints hold the CRL (RFC 5280, section 4.2.1.13). With Shards, each must contain
	// "{shard}" once, which becomes the number of the certificate's shard.
	CRLDistributionPoints []string

	// Shards is how many CRLs an issuer's certificates are spread over, each fixed for its life; 0 is one
	// CRL for all. It may change at any time: certificates keep the shard that they were issued with.
	Shards int

	// FreshestCRL holds the delta CRLs (section 5.2.6); named in the full CRLs. With Shards as above.
	FreshestCRL []string

	OCSPServers            []string // section 4.2.2.1
	IssuingCertificateURLs []string // section 4.2.2.1
}

// shardMark stands for the shard's number in a URL.
const shardMark = "{shard}"

// maxShards bounds the CRLs of an issuer, each of which is made anew again and again.
const maxShards = 4096

// Expand returns the URLs of a shard.
func Expand(urls []string, shard int) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = strings.ReplaceAll(u, shardMark, strconv.Itoa(shard))
	}
	return out
}

func (p Pointers) clone() Pointers {
	for _, s := range []*[]string{&p.CRLDistributionPoints, &p.FreshestCRL, &p.OCSPServers, &p.IssuingCertificateURLs} {
		*s = slices.Clone(*s)
	}
	return p
}

func (p *Pointers) check() (faults []error) {
	if p.Shards < 0 || p.Shards > maxShards {
		faults = append(faults, fmt.Errorf("%d CRL shards are not between 0 and %d", p.Shards, maxShards))
	}
	if p.Shards > 0 && len(p.CRLDistributionPoints) == 0 {
		faults = append(faults, fmt.Errorf("CRL shards need a distribution point"))
	}
	for _, l := range []struct {
		what    string
		urls    []string
		sharded bool
	}{
		{"CRL distribution point", p.CRLDistributionPoints, true}, {"freshest CRL", p.FreshestCRL, true},
		{"OCSP server", p.OCSPServers, false}, {"issuing certificate URL", p.IssuingCertificateURLs, false},
	} {
		want := 0
		if l.sharded && p.Shards > 0 {
			want = 1
		}
		for _, s := range l.urls {
			u, err := url.Parse(strings.Replace(s, shardMark, "0", 1))
			if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ldap" || u.Host == "" || strings.Count(s, shardMark) != want {
				faults = append(faults, fmt.Errorf("%s %q is not an absolute URL with %d %s", l.what, s, want, shardMark))
			}
		}
	}
	return faults
}

// shardIn returns the shard that a certificate's own distribution points name, also one beyond today's number
// of shards; 0 if they name none of p's.
func (p *Pointers) shardIn(c *x509.Certificate) int {
	for _, pattern := range p.CRLDistributionPoints {
		prefix, suffix, sharded := strings.Cut(pattern, shardMark)
		if !sharded {
			continue
		}
		for _, u := range c.CRLDistributionPoints {
			s, ok := strings.CutPrefix(u, prefix)
			if !ok {
				continue
			}
			if s, ok = strings.CutSuffix(s, suffix); !ok {
				continue
			}
			if n, err := strconv.Atoi(s); err == nil && 0 < n && n <= maxShards && strconv.Itoa(n) == s {
				return n
			}
		}
	}
	return 0
}

// shardOf spreads serials evenly: their last 64 bits are random.
func (p *Pointers) shardOf(serial *big.Int) int {
	if p.Shards == 0 {
		return 0
	}
	var b [20]byte
	serial.FillBytes(b[:])
	return 1 + int(binary.BigEndian.Uint64(b[12:])%uint64(p.Shards))
}

// Extensions that pointers become.
var (
	oidCRLDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidFreshestCRL           = asn1.ObjectIdentifier{2, 5, 29, 46}
	oidAuthorityInfoAccess   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
)

// point puts the issuer's pointers into a certificate, and returns the shard that it names.
func (p *Pointers) point(c *x509.Certificate) (shard int) {
	has := func(id asn1.ObjectIdentifier) bool {
		return slices.ContainsFunc(c.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
	}
	if len(p.CRLDistributionPoints) > 0 && len(c.CRLDistributionPoints) == 0 && !has(oidCRLDistributionPoints) {
		shard = p.shardOf(c.SerialNumber)
		c.CRLDistributionPoints = Expand(p.CRLDistributionPoints, shard)
	}
	if len(p.OCSPServers)+len(p.IssuingCertificateURLs) > 0 && len(c.OCSPServer)+len(c.IssuingCertificateURL) == 0 && !has(oidAuthorityInfoAccess) {
		c.OCSPServer, c.IssuingCertificateURL = slices.Clone(p.OCSPServers), slices.Clone(p.IssuingCertificateURLs)
	}
	return shard
}

// unpoint takes away what a certificate that is had again says about where to look, as far as p says it anew;
// all of it if another issuer said it, whose CRL says nothing of what this one issues.
func (p *Pointers) unpoint(c *x509.Certificate, other bool) {
	c.ExtraExtensions = slices.DeleteFunc(c.ExtraExtensions, func(e pkix.Extension) bool {
		return e.Id.Equal(oidCRLDistributionPoints) && (other || len(p.CRLDistributionPoints) > 0) ||
			e.Id.Equal(oidAuthorityInfoAccess) && (other || len(p.OCSPServers)+len(p.IssuingCertificateURLs) > 0) ||
			e.Id.Equal(oidFreshestCRL) && other
	})
}
