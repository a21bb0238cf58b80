package authority

import (
	"context"
	"crypto/x509"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
)

// SSHRequest asks for an SSH certificate: a new one, one again, or one again with another key.
type SSHRequest struct {
	Operation provisioner.Operation // default provisioner.SSHSign

	Provisioner string // who judges the credential; empty: found by the token
	Profile     string // one that the provisioner's binding lists; empty: the first of them

	// Token is the credential as sent. For renew and rekey it is made with the key of the certificate that
	// it carries, which is the one to be had again.
	Token string

	Key ssh.PublicKey // sign and rekey: what is certified; a plain key

	// What a new certificate shall be; zero fields are left to the credential.
	Type       provisioner.SSHType
	KeyID      string
	Principals []string

	// Local says that the caller is this program itself, which provisioner.Local accepts. Never set it
	// from something that came over a network.
	Local bool

	// AddUser is a key for the certificate that adds the user to hosts, see [AddUser]; nil: none is wanted.
	// An authority that does not do that, or not for this certificate, issues the first one alone.
	AddUser ssh.PublicKey

	// Identity asks for an X.509 certificate of the same person for the same time; nil: none is wanted. An
	// authority without [SSH.Identity] issues the SSH certificate alone.
	Identity *x509.CertificateRequest

	ValidAfter, ValidBefore When
	UserData                map[string]any // for the template, as .Insecure.User
	RequestID               string         // goes into records and events
}

// SSHCertificate is an SSH certificate that an authority issued.
type SSHCertificate struct {
	Certificate *ssh.Certificate
	Record      *Record

	AddUser  *ssh.Certificate // nil: none was issued
	Identity *Certificate     // nil: none was issued
}

// IssueSSH takes a request through the whole pipeline and returns the certificate. What [Authority.Issue]
// says about errors and credentials is true of it as well. An authority without [SSH] issues none: that is
// [Unsupported].
func (a *Authority) IssueSSH(ctx context.Context, r *SSHRequest) (*SSHCertificate, error) {
	s, err := a.begin()
	if err != nil {
		return nil, err
	}
	p := newSSHPassage(a, s, r)
	ctx, p.watch = s.observe(ctx, p.operation)
	c, e := (*SSHCertificate)(nil), errPanic
	defer func() { p.watch.End(p.outcome(e)) }()
	if c, e = p.pass(ctx); e != nil {
		return nil, e
	}
	return c, nil
}

// ExplainSSH takes a request through steps 1 to 5 and tells what each of them said. Nothing is signed,
// spent, recorded or published.
func (a *Authority) ExplainSSH(ctx context.Context, r *SSHRequest) *Explanation {
	s, err := a.begin()
	if err != nil {
		return &Explanation{Err: fault("", "the authority is closed", err)}
	}
	p := newSSHPassage(a, s, r)
	p.trace = &Explanation{}
	d, e := p.prepare(ctx)
	p.trace.Decision, p.trace.Err = &p.decision, e
	if e == nil {
		p.trace.SSHTemplate, p.trace.TBS = p.certificate, d.record.TBS
	}
	return p.trace
}

// SSHKeys are the public keys of CAs.
type SSHKeys struct{ User, Host []ssh.PublicKey }

// SSHKeys returns the keys that hosts (User) and clients (Host) have to trust: those that sign first, then
// those that are on their way in or out. An authority without [SSH] has none.
func (a *Authority) SSHKeys() SSHKeys { return a.snapshot.Load().sshKeys.clone() }

// SSHIssuerInfo is what there is to tell about an SSH issuer.
type SSHIssuerInfo struct {
	Name  string
	Type  provisioner.SSHType
	State State
	Key   ssh.PublicKey
}

// SSHIssuers returns all SSH issuers in the order of the configuration, retired ones included.
func (a *Authority) SSHIssuers() []SSHIssuerInfo {
	var out []SSHIssuerInfo
	for _, i := range a.snapshot.Load().sshIssuers {
		out = append(out, SSHIssuerInfo{i.Name, i.Type, i.State, i.Key})
	}
	return out
}

// FederatedSSHKeys returns the keys of other authorities that are served to clients.
func (a *Authority) FederatedSSHKeys() SSHKeys {
	s := a.snapshot.Load()
	if s.Config.SSH == nil {
		return SSHKeys{}
	}
	return SSHKeys{User: s.Config.SSH.FederatedUserKeys, Host: s.Config.SSH.FederatedHostKeys}.clone()
}

func (k SSHKeys) clone() SSHKeys {
	return SSHKeys{User: append([]ssh.PublicKey(nil), k.User...), Host: append([]ssh.PublicKey(nil), k.Host...)}
}
