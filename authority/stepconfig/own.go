package stepconfig

import "github.com/chancery-ca/chancery/authority"

// ownRules is what chancery.json says about one provisioner.
type ownRules struct {
	policy    *names // beside authority.policy; nil: none
	entity    authority.EntityRule
	revokeAny bool
	acme      *acmeRules // nil: nothing is said
	oidc      *oidcRules // nil: nothing is said

	sshUser, sshHost authority.SSHEntityRule
}

// readOwn reads chancery.json. It is a file of its own because step's CLI, when it edits ca.json,
// leaves out every member that it does not know, and a rule must not get lost that way.
func (f *File) readOwn(s *section) {
	f.anyPort = s.boolean("anyPort")
	if n := s.take("inventory"); n != nil {
		i := open(n, s.faults)
		f.inventory = i.at("file")
		i.required("file")
		f.offboard = i.boolean("offboard")
		i.close()
	}
	p := s.section("provisioners")
	for _, name := range p.keys {
		r := f.readRules(p.section(name))
		if q := f.spec(name); q != nil {
			if q.own = r; r.acme != nil && q.kind != "ACME" {
				p.faults.add(r.acme.node, "is for ACME provisioners, and %q is of type %s", name, q.kind)
			}
			if r.oidc != nil && q.kind != "OIDC" {
				p.faults.add(r.oidc.node, "is for OIDC provisioners, and %q is of type %s", name, q.kind)
			}
			continue
		}
		p.faults.add(p.at(name), "%s has no provisioner of that name", f.Path)
	}
	p.close()
	if n := s.take("acme"); n != nil {
		f.acme = readACMERules(open(n, s.faults))
	}
	f.readRevocation(s.section("revocation"))
	f.readRetiring(s.section("retiring"))
	f.readUpkeep(s)
	f.readOwnSSH(s)
	f.readSinks(s.section("sinks"))
	s.close()
}

func (f *File) spec(name string) *spec {
	for _, p := range f.provisioners {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (f *File) readRules(s *section) ownRules {
	r := ownRules{revokeAny: s.boolean("revokeAny")}
	if n := s.take("policy"); n != nil && !n.blank() {
		r.policy = readNames(open(n, s.faults))
	}
	if n := s.take("acme"); n != nil {
		r.acme = readACMERules(open(n, s.faults))
	}
	if n := s.take("oidc"); n != nil {
		r.oidc = readOIDCRules(open(n, s.faults))
	}
	f.readSSHEntities(s, &r)
	e := s.section("entity")
	r.entity = authority.EntityRule{Required: e.boolean("required"), Names: e.boolean("names")}
	if n := e.take("groups"); n != nil {
		g := open(n, s.faults)
		r.entity.Groups = map[string][]string{} // not nil: no group, no name
		for _, name := range g.keys {
			r.entity.Groups[name] = g.strings(name)
		}
		g.close()
	}
	e.close()
	s.close()
	if (r.entity.Required || r.entity.Names || r.entity.Groups != nil) && f.inventory == nil {
		s.faults.add(e.node, "needs an inventory")
	}
	return r
}
