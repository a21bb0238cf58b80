package provisioner

import (
	"strings"
	"time"
)

// Renewal is the part of step's claims that says whether certificates may be had again. The zero value
// allows renewal until the certificate expires.
type Renewal struct {
	Disabled    bool // no renewal and no rekey
	AfterExpiry bool // a certificate that has expired may still be renewed, by proof of its key
}

// Check judges a renew or rekey request by the certificate's life. The caller, the pipeline, has
// already made sure that the certificate is ours, is not revoked, and that its key was proved.
func (n Renewal) Check(r *Request) error {
	c := r.Certificate
	switch now := r.Time(); {
	case c == nil || r.Proof == NoProof:
		return Refuse(Unauthenticated, "proof", "nobody proved possession of the certificate's key")
	case n.Disabled:
		return Refuse(Unauthenticated, "renewal-disabled", "renewal is disabled")
	case now.Before(c.NotBefore):
		return Refuse(Unauthenticated, "not-yet-valid", "certificate is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter) && !n.AfterExpiry:
		return Refuse(Unauthenticated, "expired", "certificate expired on %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// IdentifiersOf guesses what a subject is, for provisioners whose credentials carry just one string:
// the subject as it stands, and the same as a host name, an e-mail address, an IP address or a URI
// where it looks like one.
func IdentifiersOf(subject string) []Identifier {
	if subject == "" {
		return nil
	}
	ids := []Identifier{{Subject, subject}}
	switch n := ParseNames([]string{subject}); {
	case len(n.Emails) == 1:
		ids = append(ids, Identifier{Email, n.Emails[0]})
	case len(n.IPs) == 1:
		ids = append(ids, Identifier{IPAddress, n.IPs[0].String()})
	case len(n.URIs) == 1:
		ids = append(ids, Identifier{URI, n.URIs[0]})
	case len(n.DNS) == 1 && !strings.ContainsAny(subject, " \t"):
		ids = append(ids, Identifier{HostName, n.DNS[0]})
	}
	return ids
}
