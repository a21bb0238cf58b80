package provisioner

import "context"

// Local lets code in this process have certificates without a token: the CA's own server certificate,
// or those of a program that carries its CA inside. It answers only requests marked [Request.Local],
// which no handler makes, and renewals of certificates it let through.
type Local struct {
	ID      string // its name
	Names   Names  // the most it grants; the zero value grants nothing
	AnyName bool   // grant every name the CSR asks for, and every SSH principal
	Renewal Renewal

	Principals []string // the most it grants in SSH certificates; nil grants none
}

// Name returns l.ID.
func (l *Local) Name() string { return l.ID }

// Authorize grants the names in l to callers in this process, by the subject their CSR gives.
func (l *Local) Authorize(_ context.Context, r *Request) (*Grant, error) {
	switch r.Operation {
	case X509Sign:
		return l.sign(r)
	case X509Renew, X509Rekey:
		if err := l.Renewal.Check(r); err != nil {
			return nil, err
		}
		return &Grant{
			Subject: r.Certificate.Subject.CommonName, Names: l.Names, AnyName: l.AnyName,
			Identifiers: identifiersOf(r.Certificate),
		}, nil
	case X509Revoke:
		if r.Token != "" || !r.Local {
			return l.revokeOwn(r)
		}
		return &Grant{Names: l.Names, AnyName: l.AnyName}, nil
	case SSHSign:
		return l.sshSign(r)
	case SSHRevoke:
		if r.Token != "" || !r.Local {
			return nil, l.foreign()
		}
		return &Grant{}, nil
	default:
		return nil, Refuse(NotAllowed, "operation", "provisioner %q does not know operation %q", l.ID, r.Operation)
	}
}

func (l *Local) sign(r *Request) (*Grant, error) {
	if !r.Local || r.Token != "" {
		return nil, l.foreign()
	}
	if r.CSR == nil {
		return nil, Refuse(BadRequest, "csr", "there is no certificate request")
	}
	g := &Grant{Subject: r.CSR.Subject.CommonName, Names: l.Names, AnyName: l.AnyName}
	if asked := NamesOfCSR(r.CSR); asked.Len() > 0 {
		if more := asked.Without(l.Names); !l.AnyName && more.Len() > 0 {
			return nil, Refuse(NotAllowed, "names", "provisioner %q does not grant %.200q", l.ID, more.Strings())
		}
		g.Names, g.AnyName = asked, false
	}
	if s := g.Names.Strings(); g.Subject == "" && len(s) > 0 {
		g.Subject = s[0]
	}
	g.Identifiers = IdentifiersOf(g.Subject)
	return g, nil
}

// sshSign grants what is asked for, within the principals of l.
func (l *Local) sshSign(r *Request) (*Grant, error) {
	switch {
	case !r.Local || r.Token != "":
		return nil, l.foreign()
	case r.SSH == nil || r.SSH.Key == nil:
		return nil, Refuse(BadRequest, "key", "there is no public key")
	case r.SSH.Type == 0 || len(r.SSH.Principals) == 0:
		return nil, Refuse(BadRequest, "principals", "the request has to say of which type the certificate is, and for whom")
	}
	g := &SSHGrant{Type: r.SSH.Type, KeyID: r.SSH.KeyID, Principals: r.SSH.Principals}
	if !l.AnyName {
		var err error
		if g.Principals, err = GrantedPrincipals(r.SSH.Principals, l.Principals); err != nil {
			return nil, err
		}
	}
	if g.KeyID == "" {
		g.KeyID = g.Principals[0]
	}
	return &Grant{Subject: g.KeyID, SSH: g, Identifiers: IdentifiersOf(g.Principals[0])}, nil
}

func (l *Local) revokeOwn(r *Request) (*Grant, error) {
	if r.Token != "" || r.Proof != TLSProof {
		return nil, l.foreign()
	}
	return RevokeOwn(r)
}

func (l *Local) foreign() *Refusal {
	return Refuse(Unauthenticated, "local", "provisioner %q serves only its own process", l.ID)
}
