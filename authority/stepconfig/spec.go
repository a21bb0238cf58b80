package stepconfig

import (
	"encoding/base64"
	"reflect"
	"strings"
	"time"
)

// spec is a provisioner as its section says it.
type spec struct {
	*node
	kind   string // JWK, X5C, ACME, OIDC or SSHPOP
	name   string
	limits limits

	keys  []*keySpec // JWK: one or, while a key is being replaced, more
	roots []byte     // X5C: PEM
	acme  *acmeSpec  // ACME
	oidc  *oidcSpec  // OIDC

	template    *templateSpec // nil: the default one
	sshTemplate *templateSpec // nil: the default one
	own         ownRules
}

// keySpec is a key of a JWK provisioner.
type keySpec struct {
	*node
	public    []byte // JWK
	encrypted string // the private key, a compact JWE; may be empty
}

// templateSpec is the x509 part of a provisioner's options.
type templateSpec struct {
	*node
	text string // inline, or
	path string // a file
	data map[string]any
}

func (t *templateSpec) equal(u *templateSpec) bool {
	if t == nil || u == nil {
		return t == u
	}
	return t.text == u.text && t.path == u.path && reflect.DeepEqual(t.data, u.data)
}

func (f *File) readAuthority(s *section) {
	if s.boolean("enableAdmin") {
		s.faults.add(s.at("enableAdmin"), "the admin API (step ca init --remote-management) is not served by this version; its provisioners are in step-ca's database")
	}
	s.ignore("disableIssuedAtCheck") // never checked here, so tokens work across restarts
	if no := s.boolean("disableGetSSHHosts"); f.SSH != nil {
		f.SSH.NoHosts = no
	}
	s.unsupported("attributes for every subject are not supported by this version; write them into the provisioners' templates", "template")
	if t := strings.ToLower(s.str("type")); t != "" && t != "softcas" {
		s.faults.add(s.at("type"), "%q is not supported by this version, only softcas is", t)
	}
	s.unsupported("is not supported by this version", "authorityId", "deploymentType", "certificateAuthority", "certificateAuthorityFingerprint", "certificateIssuer", "credentialsFile")
	if d := s.duration("backdate"); d != nil {
		if f.backdate = *d; *d == 0 {
			f.backdate = -1
		}
	}
	f.backdate = orMinute(f.backdate)

	c := s.section("claims")
	f.limits = readClaims(c).under(global, c)

	if p := s.take("policy"); p != nil && !p.blank() {
		f.readPolicy(open(p, s.faults))
	}
	for _, n := range s.list("provisioners") {
		if n.members == nil {
			s.faults.add(n, "must be an object, is %s", n.kind())
			continue
		}
		f.addSpec(f.readSpec(open(n, s.faults)), s)
	}
	if len(s.list("provisioners")) == 0 {
		s.faults.add(s.at("provisioners"), "must list at least one provisioner; make one with: step ca provisioner add admin --create")
	}
	s.close()
}

func orMinute(d time.Duration) time.Duration {
	if d == 0 {
		return time.Minute
	}
	return d
}

func (f *File) readPolicy(s *section) {
	if x := s.section("x509"); !x.blank() {
		f.policy = readNames(x)
	}
	if ssh := s.take("ssh"); ssh != nil && !ssh.blank() {
		f.readSSHPolicy(open(ssh, s.faults))
	}
	s.close()
}

// addSpec joins JWK provisioners of one name: that is how step replaces a key without a gap.
func (f *File) addSpec(p *spec, s *section) {
	for _, q := range f.provisioners {
		switch {
		case q.name != p.name || p.name == "":
			continue
		case p.kind != "JWK" || q.kind != "JWK":
			s.faults.add(p.node, "the name %q is taken by the provisioner on line %d", p.name, q.line)
		case f.relevant(p.limits) != f.relevant(q.limits) || !p.template.equal(q.template) || !p.sshTemplate.equal(q.sshTemplate):
			s.faults.add(p.node, "keys of one provisioner, %q, must have the same claims and options as the one on line %d", p.name, q.line)
		default:
			q.keys = append(q.keys, p.keys...)
		}
		return
	}
	f.provisioners = append(f.provisioners, p)
}

// relevant leaves out what does nothing: limits of SSH certificates, for a CA without SSH.
func (f *File) relevant(l limits) limits {
	if f.ssh == nil {
		l.user, l.host, l.ssh = term{}, term{}, false
	}
	return l
}

func (f *File) readSpec(s *section) *spec {
	p := &spec{node: s.node, name: s.required("name")}
	kind := s.required("type")
	switch strings.ToUpper(kind) {
	case "JWK":
		p.kind = "JWK"
		p.keys = []*keySpec{readKey(s)}
	case "X5C":
		p.kind = "X5C"
		p.roots = readRoots(s)
	case "ACME":
		p.kind = "ACME"
		p.acme = readACME(s)
	case "OIDC":
		p.kind = "OIDC"
		p.oidc = readOIDC(s)
	case "SSHPOP":
		p.kind = "SSHPOP"
	case "":
	default:
		s.faults.add(s.at("type"), "provisioners of type %q are not supported by this version; JWK, X5C, ACME, OIDC and SSHPOP are", kind)
		return p // its members mean nothing here
	}
	c := s.section("claims")
	p.limits = readClaims(c).under(f.limits, c)
	f.readOptions(s.section("options"), p)
	s.unsupported("does not belong in ca.json, where step's CLI drops it without a word; put it in "+OwnFile+" beside it", "policy", "entity", "revokeAny")
	s.ignore("id") // a name inside step-ca's database
	s.close()
	return p
}

func readKey(s *section) *keySpec {
	k := &keySpec{node: s.at("key"), encrypted: s.str("encryptedKey")}
	key := s.take("key")
	if key == nil || key.members == nil {
		s.faults.add(k.node, "must be a public key as a JSON Web Key")
		return k
	}
	for _, private := range []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth"} {
		if n, ok := key.members[private]; ok {
			s.faults.add(n, "is part of a private or shared key, and this file is published at /provisioners; replace the key")
		}
	}
	k.public = key.raw()
	return k
}

func readRoots(s *section) []byte {
	v := s.required("roots")
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		s.faults.add(s.at("roots"), "must be PEM certificates in base64")
	}
	return b
}

func (f *File) readOptions(s *section, p *spec) {
	s.unsupported("webhooks are not supported by this version", "webhooks")
	s.unsupported("is not supported by this version", "wire")
	p.template, p.sshTemplate = f.readTemplate(s.section("x509")), f.readTemplate(s.section("ssh"))
	s.close()
}

func (f *File) readTemplate(x *section) *templateSpec {
	t := &templateSpec{node: x.at("template"), text: x.str("template"), path: f.resolve(x.str("templateFile"))}
	if d := x.take("templateData"); d != nil {
		if d.members == nil {
			x.faults.add(d, "must be an object, is %s", d.kind())
		} else {
			t.data, _ = d.plain().(map[string]any)
		}
	}
	x.close()
	switch {
	case t.text != "" && t.path != "":
		x.faults.add(x.at("templateFile"), "template and templateFile exclude each other")
	case t.path != "":
		t.node = x.at("templateFile")
	case t.text == "":
		return nil
	}
	return t
}
