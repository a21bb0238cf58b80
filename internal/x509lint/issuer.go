package x509lint

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"time"
)

// Issuer is a CA with the certificates above it, ready to say whether a leaf would be valid under it. It
// does not change after [NewIssuer].
type Issuer struct {
	paths []path // to the roots that the chain leads to; one that accepts a leaf is enough
}

// path is what the CAs from an issuer to one root allow, taken together.
type path struct {
	notBefore, notAfter time.Time
	first, last         string // who sets them
	below               int    // how many CAs may stand below the issuer; -1: any number
	constraints         []*constraints
	usages              []usages
}

// usages are the extended key usages that a CA restricts its subordinates to.
type usages struct {
	by      string
	known   []x509.ExtKeyUsage
	unknown []asn1.ObjectIdentifier
}

// NewIssuer checks that chain, which begins with the issuer and goes up, leads to one of the roots, and
// that every certificate in it may do its part. The root may be left out of chain. It verifies the
// signatures on the way and does not look at the time.
func NewIssuer(chain, roots []*x509.Certificate) (*Issuer, error) {
	if len(chain) == 0 {
		return nil, problem("chain-empty", "the issuer has no certificate")
	}
	for i, c := range chain {
		if err := mayIssue(c); err != nil {
			return nil, err
		}
		if i > 0 && !issued(c, chain[i-1]) {
			return nil, problem("chain-order", "%s was not issued by %s", nameOf(chain[i-1]), nameOf(c))
		}
	}
	is := &Issuer{}
	var refused error
	for _, full := range toRoots(chain, roots) {
		p, err := newPath(full)
		if err != nil {
			refused = err
			continue
		}
		is.paths = append(is.paths, p)
	}
	if len(is.paths) > 0 {
		return is, nil
	}
	if refused != nil {
		return nil, refused
	}
	return nil, problem("chain-root", "%s was issued by none of the roots", nameOf(chain[len(chain)-1]))
}

// toRoots returns the chain as it is when it ends with a root, else once with each root that issued it.
func toRoots(chain, roots []*x509.Certificate) [][]*x509.Certificate {
	top := chain[len(chain)-1]
	var out [][]*x509.Certificate
	for _, r := range roots {
		if r.Equal(top) {
			return [][]*x509.Certificate{chain}
		}
		if issued(r, top) {
			out = append(out, append(chain[:len(chain):len(chain)], r))
		}
	}
	return out
}

func issued(parent, child *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, child.RawIssuer) && child.CheckSignatureFrom(parent) == nil
}

// mayIssue refuses a CA that verifiers would not take for one.
func mayIssue(c *x509.Certificate) error {
	switch {
	case c == nil || len(c.Raw) == 0:
		return problem("chain-empty", "a certificate of the issuer is missing")
	case !c.BasicConstraintsValid || !c.IsCA:
		return problem("issuer-not-ca", "%s is not a CA", nameOf(c))
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return problem("issuer-key-usage", "%s may not sign certificates", nameOf(c))
	}
	for _, oid := range c.UnhandledCriticalExtensions {
		if !oid.Equal(oidOf(extNameConstraints)) {
			return problem("issuer-extension", "%s has the critical extension %s, which is not understood", nameOf(c), oid)
		}
	}
	return nil
}

func newPath(cas []*x509.Certificate) (path, error) {
	p := path{below: -1}
	for i, c := range cas {
		if err := mayIssue(c); err != nil {
			return path{}, err
		}
		if c.MaxPathLen >= 0 {
			left := c.MaxPathLen - i // i CAs stand between c and what the issuer signs
			if left < 0 {
				return path{}, problem("path-length", "%s allows %d CAs below it, and the issuer is one more", nameOf(c), c.MaxPathLen)
			}
			if p.below < 0 || left < p.below {
				p.below = left
			}
		}
		if i == 0 || c.NotBefore.After(p.notBefore) {
			p.notBefore, p.first = c.NotBefore, nameOf(c)
		}
		if i == 0 || c.NotAfter.Before(p.notAfter) {
			p.notAfter, p.last = c.NotAfter, nameOf(c)
		}
		if u, ok := newUsages(c); ok {
			p.usages = append(p.usages, u)
		}
		nc, err := newConstraints(c)
		if err != nil {
			return path{}, err
		}
		if nc != nil {
			p.constraints = append(p.constraints, nc)
		}
	}
	return p, nil
}

func newUsages(c *x509.Certificate) (usages, bool) {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return usages{}, false
	}
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageAny {
			return usages{}, false
		}
	}
	return usages{by: nameOf(c), known: c.ExtKeyUsage, unknown: c.UnknownExtKeyUsage}, true
}

// Check refuses a leaf that would be invalid under the issuer, or that makes no sense by itself. The
// leaf may be a template for x509.CreateCertificate, or parsed; a CA certificate is a leaf too. It looks
// at the fields that x509.CreateCertificate does and does not judge whether names are well-formed.
func (is *Issuer) Check(leaf *x509.Certificate, now time.Time) error {
	n, err := shape(leaf)
	if err != nil {
		return err
	}
	var refused error
	for i := range is.paths {
		err := is.paths[i].check(leaf, n, now)
		if err == nil {
			return nil
		}
		if refused == nil {
			refused = err
		}
	}
	return refused
}

// Foresee refuses names that no leaf under the issuer could have.
func (is *Issuer) Foresee(names *x509.Certificate) (refused error) {
	for i := range is.paths {
		err := is.paths[i].names(names, nil)
		if err == nil {
			return nil
		}
		if refused == nil {
			refused = err
		}
	}
	return refused
}

func (p *path) check(leaf *x509.Certificate, n *altNames, now time.Time) error {
	switch {
	case now.Before(p.notBefore):
		return problem("issuer-not-yet-valid", "%s is not valid yet", p.first)
	case now.After(p.notAfter):
		return problem("issuer-expired", "%s has expired", p.last)
	// Certificates hold whole seconds.
	case leaf.NotAfter.Unix() > p.notAfter.Unix():
		return problem("outlives-issuer", "the certificate would outlive %s", p.last)
	case leaf.IsCA && p.below == 0:
		return problem("path-length", "the issuer may not have CAs below it")
	}
	for i := range p.usages {
		if err := p.usages[i].check(leaf); err != nil {
			return err
		}
	}
	return p.names(leaf, n)
}

func (p *path) names(leaf *x509.Certificate, n *altNames) error {
	for _, nc := range p.constraints {
		if err := nc.check(leaf, n); err != nil {
			return err
		}
	}
	return nil
}

func (u *usages) check(leaf *x509.Certificate) error {
	for _, want := range leaf.ExtKeyUsage {
		if !contains(u.known, want) {
			return problem("ext-key-usage", "%s does not allow the extended key usage %s", u.by, want)
		}
	}
	for _, want := range leaf.UnknownExtKeyUsage {
		if !containsOID(u.unknown, want) {
			return problem("ext-key-usage", "%s does not allow the extended key usage %s", u.by, want)
		}
	}
	return nil
}

func contains(s []x509.ExtKeyUsage, v x509.ExtKeyUsage) bool {
	for _, w := range s {
		if v == w {
			return true
		}
	}
	return false
}

func containsOID(s []asn1.ObjectIdentifier, v asn1.ObjectIdentifier) bool {
	for _, w := range s {
		if v.Equal(w) {
			return true
		}
	}
	return false
}

// nameOf names a CA in a reason.
func nameOf(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return "CA \"" + c.Subject.CommonName + "\""
	}
	return "CA \"" + c.Subject.String() + "\""
}
