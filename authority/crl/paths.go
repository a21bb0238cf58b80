package crl

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/chancery-ca/chancery/authority"
)

// Pointers returns the URLs that certificates of an issuer carry when [Publisher.Handler] answers at a base
// URL, such as "http://crl.example": scheme, host and the prefix that the embedder takes off. http is usual,
// because a relying party that checks the server's certificate for https may have to get this very CRL.
// shards and delta are what the issuer is to have.
func Pointers(base, issuer string, shards int, delta bool) authority.Pointers {
	at := strings.TrimSuffix(base, "/") + "/crl/" + url.PathEscape(issuer)
	shard := ""
	if shards > 0 {
		shard = "/{shard}"
	}
	p := authority.Pointers{CRLDistributionPoints: []string{at + shard + ".crl"}, Shards: shards}
	if delta {
		p.FreshestCRL = []string{at + shard + "/delta.crl"}
	}
	return p
}

// parsePath returns the scope that a path, as it was sent, names; the issuer is empty for the default one.
//
//	/crl                            the complete CRL of the default issuer
//	/crl/{issuer}.crl               the complete one of an issuer
//	/crl/{issuer}/delta.crl         its delta
//	/crl/{issuer}/{shard}.crl       that of a shard; 0 is the complete one
//	/crl/{issuer}/{shard}/delta.crl its delta
func parsePath(escaped string) (s authority.CRLScope, ok bool) {
	if escaped == "/crl" {
		return s, true
	}
	rest, ok := strings.CutPrefix(escaped, "/crl/")
	if !ok {
		return s, false
	}
	if rest, ok = strings.CutSuffix(rest, ".crl"); !ok {
		return s, false
	}
	segments := strings.Split(rest, "/")
	if n := len(segments); n > 1 && segments[n-1] == "delta" {
		s.Delta, segments = true, segments[:n-1]
	}
	if len(segments) == 2 {
		n, err := strconv.ParseUint(segments[1], 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != segments[1] || n > maxShard {
			return s, false
		}
		s.Shard, segments = int(n), segments[:1]
	}
	name, err := url.PathUnescape(segments[0])
	if len(segments) != 1 || err != nil || name == "" {
		return s, false
	}
	s.Issuer = name
	return s, true
}

// maxShard is the highest shard that an authority makes.
const maxShard = 4096
