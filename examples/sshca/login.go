package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// holder is somebody with a certificate and the key in it.
type holder struct {
	ssh.Signer
	name   string
	serial authority.Serial
}

// certify makes a key, and has it certified.
func certify(ctx context.Context, ca *authority.Authority, t provisioner.SSHType, name string, life time.Duration) (*holder, error) {
	key, err := kms.Generate(kms.Ed25519)
	if err != nil {
		return nil, err
	}
	own, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, err
	}
	c, err := ca.IssueSSH(ctx, &authority.SSHRequest{
		Provisioner: "us", Local: true, Type: t, Key: own.PublicKey(), Principals: []string{name}, ValidBefore: authority.When{Duration: life},
	})
	if err != nil {
		return nil, err
	}
	s, err := ssh.NewCertSigner(c.Certificate, own)
	return &holder{s, name, c.Record.Serial}, err
}

// knows reports whether a key is among those of a CA.
func knows(keys []ssh.PublicKey, k ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(o ssh.PublicKey) bool { return string(o.Marshal()) == string(k.Marshal()) })
}

// newServer lets in whoever has a certificate of the user CA's for the account. A server on another machine would
// learn what is revoked from the CA's KRL instead.
func newServer(ca *authority.Authority, host *holder) *ssh.ServerConfig {
	check := &ssh.CertChecker{
		IsUserAuthority: func(k ssh.PublicKey) bool { return knows(ca.SSHKeys().User, k) },
		IsRevoked: func(c *ssh.Certificate) bool {
			revoked, err := ca.SSHRevoked(context.Background(), c)
			return revoked || err != nil
		},
	}
	s := &ssh.ServerConfig{PublicKeyCallback: check.Authenticate}
	s.AddHostKey(host)
	return s
}

// login connects to the server, and believes it for its certificate.
func login(w io.Writer, ca *authority.Authority, server *ssh.ServerConfig, who *holder) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	welcome := make(chan string, 1)
	go func() {
		defer close(welcome)
		there, err := l.Accept()
		if err != nil {
			return
		}
		defer there.Close()
		if conn, _, _, err := ssh.NewServerConn(there, server); err == nil {
			welcome <- conn.User()
		}
	}()
	here, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer here.Close()
	check := &ssh.CertChecker{IsHostAuthority: func(k ssh.PublicKey, _ string) bool { return knows(ca.SSHKeys().Host, k) }}
	conn, _, _, err := ssh.NewClientConn(here, "web.internal:22", &ssh.ClientConfig{
		User: who.name, Auth: []ssh.AuthMethod{ssh.PublicKeys(who)}, HostKeyCallback: check.CheckHostKey,
	})
	if err != nil {
		return errors.New("the server does not let " + who.name + " in")
	}
	defer conn.Close()
	fmt.Fprintf(w, "%s is in, at %s\n", <-welcome, "web.internal")
	return nil
}
