package provisioner

import "context"

// Local lets code in this process have certificates without a token: the CA's own server certificate,
// or those of a program that carries its CA inside. It answers only requests marked [Request.Local],
// which no handler makes, and renewals of certificates it let through.
type Local struct {
	ID      string // its name
	Names   Names  // the most it grants; the zero value grants nothing
	AnyName bool   // grant every name the CSR asks for
	Renewal Renewal
}

// Name returns l.ID.
func (l *Local) Name() string { return l.ID }

// Authorize grants the names in l to callers in this process, by the subject their CSR gives.
func (l *Local) Authorize(_ context.Context, r *Request) (*Grant, error) {
	g := &Grant{Names: l.Names, AnyName: l.AnyName}
	switch r.Operation {
	case X509Sign:
		if !r.Local || r.Token != "" || r.CSR == nil {
			return nil, Refuse(Unauthenticated, "local", "provisioner %q serves only its own process", l.ID)
		}
		g.Subject = r.CSR.Subject.CommonName
		if asked := NamesOfCSR(r.CSR); asked.Len() > 0 && (l.AnyName || asked.Without(l.Names).Len() == 0) {
			g.Names, g.AnyName = asked, false
		}
		if g.Subject == "" {
			if s := g.Names.Strings(); len(s) > 0 {
				g.Subject = s[0]
			}
		}
	case X509Renew, X509Rekey:
		if err := l.Renewal.Check(r); err != nil {
			return nil, err
		}
		g.Subject = r.Certificate.Subject.CommonName
	case X509Revoke:
		if !r.Local {
			if r.Proof != TLSProof {
				return nil, Refuse(Unauthenticated, "local", "provisioner %q serves only its own process", l.ID)
			}
			g.Subject = r.Certificate.Subject.CommonName
		}
	default:
		return nil, Refuse(NotAllowed, "operation", "provisioner %q does not know operation %q", l.ID, r.Operation)
	}
	g.Identifiers = IdentifiersOf(g.Subject)
	return g, nil
}
