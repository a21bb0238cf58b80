package provisioner

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSHType is the kind of an SSH certificate, with the numbers of OpenSSH's PROTOCOL.certkeys. The zero
// value is none of them.
type SSHType uint32

// The kinds of SSH certificates.
const (
	SSHUser SSHType = ssh.UserCert
	SSHHost SSHType = ssh.HostCert
)

// ParseSSHType reads "user", "host", and "" for none.
func ParseSSHType(s string) (t SSHType, ok bool) {
	switch s {
	case "user":
		return SSHUser, true
	case "host":
		return SSHHost, true
	}
	return 0, s == ""
}

// String returns "user" or "host", and "" for anything else.
func (t SSHType) String() string {
	switch t {
	case SSHUser:
		return "user"
	case SSHHost:
		return "host"
	}
	return ""
}

// SSHRequest is what a request about an SSH certificate says.
type SSHRequest struct {
	// Key is what sign and rekey want certified; nil for the other operations. It is a plain public key,
	// never a certificate. Nobody has proved to hold the other half of it.
	Key ssh.PublicKey

	// What is asked for, by sign. Zero fields are left to the credential.
	Type       SSHType
	KeyID      string
	Principals []string

	// Certificate is what renew, rekey and revoke act on, as the request's token shows it. It was issued
	// by this authority and is not revoked; it may have expired. That whoever asks holds its key is for
	// the provisioner to find out.
	Certificate *ssh.Certificate
}

// SSHGrant is the most that an SSH certificate may be. The zero value grants none.
type SSHGrant struct {
	Type       SSHType  // required
	KeyID      string   // who it is for, in sshd's log
	Principals []string // the default template gives all of them; nil grants none

	// ValidAfter and ValidBefore are the times that the credential asks for; zero leaves them open. A
	// request that says something else is refused.
	ValidAfter, ValidBefore time.Time
}

// GrantedPrincipals are those of granted that a request asks for, in their granted spelling, or all of
// them when it asks for none. Letters are compared without case, as step does. A request for another one
// is refused.
func GrantedPrincipals(asked, granted []string) ([]string, error) {
	if len(asked) == 0 {
		return granted, nil
	}
	var out []string
	for _, a := range asked {
		i := slices.IndexFunc(granted, func(g string) bool { return strings.EqualFold(g, a) })
		if i < 0 {
			return nil, Refuse(NotAllowed, "principals", "principal %.100q is not granted", a)
		}
		if !slices.Contains(out, granted[i]) {
			out = append(out, granted[i])
		}
	}
	return out, nil
}
