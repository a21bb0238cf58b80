package server

import (
	"bytes"
	"context"
	"net/netip"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/provisioner"
)

// ticket is what makes an order a credential: only issue makes one, once the store has the order as Processing with
// that CSR, and takes it back.
type ticket struct {
	order   *acme.Order
	auths   []*acme.Authorization
	account *acme.Account
}

// Name is the one of the configuration.
func (s *Server) Name() string { return s.c.Name }

// Authorize grants an order that is being finalized, by its ID, the identifiers that were proved for it. Nothing that
// comes over another protocol is such an order. Renewal and rekeying want the certificate, and revocation is content
// with it.
func (s *Server) Authorize(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	switch r.Operation {
	case provisioner.X509Sign:
		return s.authorizeOrder(r)
	case provisioner.X509Renew, provisioner.X509Rekey:
		if r.Token != "" {
			return nil, foreign()
		}
		if err := s.c.Renewal.Check(r); err != nil {
			return nil, err
		}
		return &provisioner.Grant{
			Subject: r.Certificate.Subject.CommonName, Names: provisioner.NamesOf(r.Certificate), Mark: s.mark(),
			Identifiers: identifiersOf(provisioner.NamesOf(r.Certificate)),
		}, nil
	case provisioner.X509Revoke:
		if r.Token != "" || r.Local {
			return nil, foreign()
		}
		return provisioner.RevokeOwn(r)
	default:
		return nil, provisioner.Refuse(provisioner.NotAllowed, "operation", "provisioner %q does not know operation %q", s.c.Name, r.Operation)
	}
}

func foreign() *provisioner.Refusal {
	return provisioner.Refuse(provisioner.Unauthenticated, "order", "there is no such order")
}

func (s *Server) authorizeOrder(r *provisioner.Request) (*provisioner.Grant, error) {
	v, ok := s.tickets.Load(r.Token)
	if !ok || r.CSR == nil {
		return nil, foreign()
	}
	t := v.(*ticket)
	o := t.order
	if o.ID != r.Token || o.Status != acme.Processing || !bytes.Equal(o.CSR, r.CSR.Raw) || t.account.ID != o.Account {
		return nil, foreign()
	}
	g := s.grant(o.Identifiers, t.account)
	if cn := r.CSR.Subject.CommonName; cn != "" { // one of the identifiers: see checkCSR
		g.Subject = provisioner.CanonicalDNS(cn)
	}
	g.Spend = provisioner.Spend{ID: "acme/" + s.c.Name + "/order/" + o.ID, Until: o.CreatedAt.Add(s.c.OrderLife + acme.Kept)}
	g.Claims = claims(t)
	return g, nil
}

// grant is what an account may have once it has proved the identifiers.
func (s *Server) grant(ids []acme.Identifier, a *acme.Account) *provisioner.Grant {
	g := &provisioner.Grant{Mark: s.mark()}
	for _, id := range ids {
		switch id.Type {
		case acme.DNS:
			g.Names.DNS = append(g.Names.DNS, id.Value)
		case acme.IP:
			if ip, err := netip.ParseAddr(id.Value); err == nil { // as ParseIdentifier left it
				g.Names.IPs = append(g.Names.IPs, ip)
			}
		default: // a device goes by its subject
			g.Subject = id.Value
			g.Identifiers = append(g.Identifiers, provisioner.Identifier{Kind: provisioner.Subject, Value: id.Value})
		}
	}
	if s.c.ForceCN && g.Subject == "" && len(g.Names.DNS) > 0 {
		g.Subject = g.Names.DNS[0]
	}
	g.Identifiers = append(g.Identifiers, identifiersOf(g.Names)...)
	if a.Binding != "" {
		g.Identifiers = append(g.Identifiers, provisioner.Identifier{Kind: ExternalKey, Value: a.Binding})
	}
	g.Identifiers = append(g.Identifiers, provisioner.Identifier{Kind: Account, Value: a.ID})
	return g
}

// The kinds of identifiers that the inventory is asked for, beside names.
const (
	Account     = "acme-account"      // an account's ID
	ExternalKey = "acme-external-key" // the ID of the key that the account was bound with
)

func identifiersOf(n provisioner.Names) (ids []provisioner.Identifier) {
	for _, d := range n.DNS {
		ids = append(ids, provisioner.Identifier{Kind: provisioner.HostName, Value: d})
	}
	for _, ip := range n.IPs {
		ids = append(ids, provisioner.Identifier{Kind: provisioner.IPAddress, Value: ip.String()})
	}
	return ids
}

// claims are what templates and policies see of an order, as .Token.
func claims(t *ticket) map[string]any {
	m := map[string]any{"order": t.order.ID, "account": t.account.ID, "profile": t.order.Profile}
	if t.account.Binding != "" {
		m["externalKey"] = t.account.Binding
	}
	contacts := make([]any, 0, len(t.account.Contacts))
	for _, c := range t.account.Contacts {
		contacts = append(contacts, c)
	}
	m["contacts"] = contacts
	var met []any
	for _, a := range t.auths {
		for i := range a.Challenges {
			ch := &a.Challenges[i]
			if ch.Status != acme.Valid {
				continue
			}
			one := map[string]any{
				"type": string(ch.Type), "identifier": map[string]any{"type": string(a.Identifier.Type), "value": a.Identifier.Value},
				"wildcard": a.Wildcard, "validated": ch.Validated.UTC().Format(time.RFC3339),
			}
			if ch.Address != "" {
				one["address"] = ch.Address
			}
			if len(ch.Data) > 0 {
				one["data"] = ch.Data
				if ch.Type == acme.DeviceAttest01 {
					m["attestation"] = ch.Data
				}
			}
			met = append(met, one)
		}
	}
	m["challenges"] = met
	return map[string]any{"acme": m}
}

func (s *Server) mark() provisioner.Mark { return provisioner.Mark{Type: provisioner.TypeACME} }

// Marked recognises certificates that some ACME provisioner of that name let through.
func (s *Server) Marked(m provisioner.Mark) bool { return m.Type == provisioner.TypeACME }

// publish makes the public form, as step-ca has it.
func (s *Server) publish() map[string]any {
	m := map[string]any{}
	for k, v := range s.c.Public {
		m[k] = v
	}
	m["type"], m["name"] = "ACME", s.c.Name
	if s.c.ForceCN {
		m["forceCN"] = true
	}
	if s.c.RequireExternalKey {
		m["requireEAB"] = true
	}
	var kinds []string
	for _, v := range s.c.Validators {
		kinds = append(kinds, string(v.Type()))
	}
	m["challenges"] = kinds
	return m
}

// Public is the provisioner as it stands in step's /provisioners.
func (s *Server) Public() any { return s.public }

// EncryptedKey returns none: there is no key.
func (s *Server) EncryptedKey(string) (string, bool) { return "", false }
