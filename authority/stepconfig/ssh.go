package stepconfig

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/authority"
)

// SSH is what a ca.json says about SSH, beside the keys.
type SSH struct {
	Bastion *Bastion // through which hosts are reached; nil: directly

	// OpenHosts lets everybody list the hosts: "ssh": {"openHosts": true} in chancery.json. NoHosts lets
	// nobody do that: disableGetSSHHosts in ca.json.
	OpenHosts, NoHosts bool

	// Identity gives users X.509 certificates along with SSH ones: "ssh": {"identity": true} in chancery.json.
	Identity bool
}

// Bastion is a host through which others are reached. Command and Flags are those of the ssh that leads there.
type Bastion struct{ Hostname, User, Port, Command, Flags string }

// sshSpec is the ssh section, as far as it is about keys.
type sshSpec struct {
	hostKey, userKey     string // paths or URIs; empty: none
	hostKeyAt, userKeyAt *node
	keys                 []sshKeySpec
	addUser              authority.AddUser
	templates            *node // templates.ssh; nil: the built-in ones
}

// sshKeySpec is another key that clients and hosts are to know.
type sshKeySpec struct {
	*node
	host, federated bool
	public          []byte // JWK
}

// readSSH reads the ssh section and templates.ssh. Without the former, the rest of what ca.json says about
// SSH does nothing, in step-ca too.
func (f *File) readSSH(s *section) {
	t := s.section("templates")
	templates := t.take("ssh")
	if d := t.take("data"); d != nil && !d.blank() {
		f.warn("%s: has no effect, the templates for SSH are given only what clients say and the keys", d.path)
	}
	t.close()
	n := s.take("ssh")
	if n == nil || n.blank() {
		return
	}
	h := open(n, s.faults)
	p := &sshSpec{hostKey: f.resolve(h.str("hostKey")), userKey: f.resolve(h.str("userKey")), hostKeyAt: h.at("hostKey"), userKeyAt: h.at("userKey")}
	if templates != nil && !templates.blank() {
		p.templates = templates
	}
	p.addUser = authority.AddUser{Principal: h.str("addUserPrincipal"), Command: h.str("addUserCommand")}
	for _, k := range h.list("keys") {
		p.keys = append(p.keys, readSSHKey(open(k, s.faults)))
	}
	f.SSH = &SSH{}
	if b := h.take("bastion"); b != nil && !b.blank() {
		f.SSH.Bastion = readBastion(open(b, s.faults))
	}
	h.close()
	if p.hostKey == "" && p.userKey == "" {
		s.faults.add(n, "names neither hostKey nor userKey")
	}
	f.ssh = p
}

func readSSHKey(s *section) sshKeySpec {
	k := sshKeySpec{node: s.node, federated: s.boolean("federated")}
	switch kind := s.required("type"); kind {
	case "host":
		k.host = true
	case "user", "":
	default:
		s.faults.add(s.at("type"), "%q is neither user nor host", kind)
	}
	if key := s.take("key"); key != nil && key.members != nil {
		k.public = key.raw()
	} else {
		s.faults.add(s.at("key"), "must be a public key as a JSON Web Key")
	}
	s.close()
	return k
}

func readBastion(s *section) *Bastion {
	b := &Bastion{
		Hostname: s.required("hostname"), User: s.str("user"), Port: s.str("port"), Command: s.str("cmd"), Flags: s.str("flags"),
	}
	s.close()
	return b
}

// readSSHPolicy reads authority.policy.ssh.
func (f *File) readSSHPolicy(s *section) {
	if u := s.section("user"); !u.blank() {
		f.userPolicy = readSSHNames(u, "email", "principal")
	}
	if h := s.section("host"); !h.blank() {
		f.hostPolicy = readSSHNames(h, "dns", "ip")
	}
	s.close()
}

// readSSHNames reads allow and deny of one type of certificates. A host's principals are judged as DNS
// names and addresses, as in step-ca, where principal entries for hosts do nothing: here they are a fault.
func readSSHNames(s *section, kinds ...string) *names {
	n := &names{node: s.node}
	for _, key := range []string{"allow", "deny"} {
		r := s.section(key)
		to := &n.Allow
		if key == "deny" {
			to = &n.Deny
		}
		lists := map[string]*[]string{"email": &to.Email, "principal": &to.Principal, "dns": &to.DNS, "ip": &to.IP}
		for _, kind := range kinds {
			*lists[kind] = r.strings(kind)
		}
		for _, kind := range slices.Sorted(maps.Keys(lists)) {
			if !slices.Contains(kinds, kind) {
				r.unsupported("does nothing for certificates of this type", kind)
			}
		}
		r.close()
	}
	s.close()
	n.check(s)
	return n
}

// parseJWK reads a public key.
func parseJWK(b []byte) (jose.JSONWebKey, error) {
	var k jose.JSONWebKey
	err := json.Unmarshal(b, &k)
	return k, err
}
