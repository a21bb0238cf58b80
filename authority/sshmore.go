package authority

import (
	"context"
	"crypto/x509"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// AddUser is how accounts come into being on hosts that do not know their users yet, as step does it: along
// with a user's certificate, a second one for another key is made, which logs in as an account that may add
// users and can do nothing but that.
type AddUser struct {
	Principal string // the account that adds users; empty: "provisioner"

	// Command is what a login does; "<principal>" stands for the new user. Empty: useradd, then a connection
	// to sshd, for a client that comes this way to log in as the new user.
	Command string
}

const (
	addUserPrincipal = "provisioner"
	addUserCommand   = "sudo useradd -m <principal>; nc -q0 localhost 22"
)

// addUser prepares the certificate that adds the user; nil where that was not asked for, or is not what this
// authority does, or the certificate is not for one user.
func (p *sshPassage) addUser() (*draft, *Error) {
	how, names := p.s.Config.SSH.AddUser, p.certificate.Principals
	switch {
	case how == nil || p.r.AddUser == nil || p.operation != provisioner.SSHSign || p.grant.SSH.Type != provisioner.SSHUser:
		return nil, nil
	case len(names) == 0 || len(names) > 2 || len(names) == 2 && !strings.Contains(names[1], "@"):
		return nil, nil
	case !isAccount(names[0]):
		return nil, refuse(Denied, StepCheck, "account", "%q is not the name of an account that could be added", names[0])
	}
	q := *p
	r := *p.r
	r.Key = p.r.AddUser
	q.r = &r
	if err := q.judgeKey(); err != nil {
		err.Step = StepCheck
		return nil, err
	}
	command := how.Command
	if command == "" {
		command = addUserCommand
	}
	q.certificate = &template.SSHCertificate{
		Type: provisioner.SSHUser.String(), KeyID: names[0] + "-provisioner", Principals: []string{how.principal()},
		ValidAfter: p.certificate.ValidAfter, ValidBefore: p.certificate.ValidBefore,
		CriticalOptions: map[string]string{"force-command": strings.ReplaceAll(command, "<principal>", names[0])},
	}
	if err := q.encode(); err != nil {
		err.Step = StepCheck
		return nil, err
	}
	d := q.draft()
	d.spend = provisioner.Spend{} // with the first certificate
	return d, nil
}

func (u *AddUser) principal() string {
	if u.Principal != "" {
		return u.Principal
	}
	return addUserPrincipal
}

// isAccount reports whether s is a name that useradd takes, and a shell takes for one word.
func isAccount(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Recognise reports an error unless c is an X.509 certificate of this authority's in good standing: issued,
// not revoked and not expired. That whoever shows it holds its key is for the caller to know.
func (a *Authority) Recognise(ctx context.Context, c *x509.Certificate) error {
	s, err := a.begin()
	if err != nil {
		return err
	}
	if c == nil || s.signerOf(c) == nil {
		return refuse(Unauthenticated, StepAuthenticate, "foreign", "the certificate is not one of ours")
	}
	if now := time.Now(); now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return refuse(Unauthenticated, StepAuthenticate, "expired", "the certificate is not in force")
	}
	if _, err := a.known(ctx, s, c); err != nil {
		return err
	}
	return nil
}
