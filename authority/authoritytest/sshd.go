package authoritytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"
)

// SSHD is an SSH server that trusts the CA for its users, as an OpenSSH one does with TrustedUserCAKeys: a
// user may log in whose name is among the principals of a certificate in force that is not revoked. A
// command is not run, it is what the session prints, or the certificate's force-command in its place.
type SSHD struct {
	ca     *CA
	config *ssh.ServerConfig
	name   string
}

// SSHD makes a server of that name. Its connections are pipes in memory, which [SSHD.Dial] opens.
func (ca *CA) SSHD(name string) *SSHD {
	ca.t.Helper()
	s := &SSHD{ca: ca, name: name}
	check := &ssh.CertChecker{
		SupportedCriticalOptions: []string{"force-command"},
		IsUserAuthority:          func(k ssh.PublicKey) bool { return knows(ca.Authority.SSHKeys().User, k) },
		IsRevoked:                func(c *ssh.Certificate) bool { return ca.isRevoked(c) },
	}
	s.config = &ssh.ServerConfig{PublicKeyCallback: func(conn ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		c, ok := k.(*ssh.Certificate)
		if !ok || len(c.ValidPrincipals) == 0 { // which x/crypto would take for anybody
			return nil, errors.New("authoritytest: no certificate, or one without principals")
		}
		return check.Authenticate(conn, k)
	}}
	s.config.AddHostKey(ca.SSHHost(name).Signer())
	return s
}

func knows(keys []ssh.PublicKey, k ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(o ssh.PublicKey) bool { return string(o.Marshal()) == string(k.Marshal()) })
}

// isRevoked asks the authority's books.
func (ca *CA) isRevoked(c *ssh.Certificate) bool {
	revoked, err := ca.Authority.SSHRevoked(context.Background(), c)
	return revoked || err != nil
}

// HostKeyCallback accepts host certificates of the CA, for the host that is dialled.
func (ca *CA) HostKeyCallback() ssh.HostKeyCallback {
	c := &ssh.CertChecker{
		IsHostAuthority: func(k ssh.PublicKey, _ string) bool { return knows(ca.Authority.SSHKeys().Host, k) },
		IsRevoked:       func(c *ssh.Certificate) bool { return ca.isRevoked(c) },
	}
	return c.CheckHostKey
}

// Dial logs in. The server must be the one with that certificate: whoever calls is told otherwise. It lasts
// until the client is closed, and no goroutine is left then.
func (s *SSHD) Dial(user string, p *SSHPair) (*ssh.Client, error) {
	here, there := pipe()
	var wg sync.WaitGroup
	wg.Go(func() { s.serve(there) })
	config := &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(p.Signer())}, HostKeyCallback: s.ca.HostKeyCallback()}
	conn, channels, requests, err := ssh.NewClientConn(here, net.JoinHostPort(s.name, "22"), config)
	if err != nil {
		here.Close()
		wg.Wait()
		return nil, err
	}
	return ssh.NewClient(conn, channels, requests), nil
}

func (s *SSHD) serve(c net.Conn) {
	defer c.Close()
	conn, channels, requests, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { ssh.DiscardRequests(requests) })
	for n := range channels {
		if n.ChannelType() != "session" {
			_ = n.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		ch, reqs, err := n.Accept()
		if err != nil {
			break
		}
		wg.Go(func() { session(conn, ch, reqs) })
	}
	conn.Close()
	wg.Wait()
}

// session answers the first exec or shell.
func session(conn *ssh.ServerConn, ch ssh.Channel, reqs <-chan *ssh.Request) {
	for r := range reqs {
		var command struct{ Value string }
		ok := r.Type == "exec" && ssh.Unmarshal(r.Payload, &command) == nil || r.Type == "shell"
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if !ok {
			continue
		}
		if forced, there := conn.Permissions.CriticalOptions["force-command"]; there {
			command.Value = forced
		}
		fmt.Fprintf(ch, "%s: %s\n", conn.User(), command.Value)
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
		break
	}
	ch.Close()
	for range reqs { // until the client has closed, too
	}
}
