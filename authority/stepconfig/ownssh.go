package stepconfig

import "github.com/chancery-ca/chancery/authority"

// readOwnSSH reads what chancery.json says about SSH as a whole.
func (f *File) readOwnSSH(s *section) {
	n := s.take("ssh")
	if n == nil {
		return
	}
	h := open(n, s.faults)
	open, identity, bits := h.boolean("openHosts"), h.boolean("identity"), int(h.number("minRSABits"))
	h.close()
	if f.SSH == nil {
		s.faults.add(n, "is about SSH, and %s has no ssh section", f.Path)
		return
	}
	if bits != 0 && (bits < 2048 || bits > 8192) {
		s.faults.add(h.at("minRSABits"), "must be from 2048 to 8192")
	}
	f.SSH.OpenHosts, f.SSH.Identity, f.sshMinRSA = open, identity, bits
}

// readSSHEntities reads what a provisioner's SSH certificates want of the inventory.
func (f *File) readSSHEntities(s *section, r *ownRules) {
	n := s.take("ssh")
	if n == nil {
		return
	}
	h := open(n, s.faults)
	rule := func(key string) authority.SSHEntityRule {
		e := h.section(key)
		defer e.close()
		out := authority.SSHEntityRule{Required: e.boolean("required"), Principals: e.boolean("principals")}
		if x := e.take("extensions"); x != nil {
			m := open(x, s.faults)
			out.Extensions = map[string]string{}
			for _, name := range m.keys {
				out.Extensions[name] = m.required(name)
			}
			m.close()
		}
		return out
	}
	r.sshUser, r.sshHost = rule("user"), rule("host")
	h.close()
	for _, e := range []authority.SSHEntityRule{r.sshUser, r.sshHost} {
		if (e.Required || e.Principals || len(e.Extensions) > 0) && f.inventory == nil {
			s.faults.add(n, "needs an inventory")
			return
		}
	}
}
