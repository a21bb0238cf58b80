// Sshca is a service with an SSH CA inside: its host certifies itself, a person gets a certificate for an hour, and
// logs in with it at a server that has never heard of them. Then the certificate is revoked, and they are turned away.
// Nothing is on disk, and nothing outlives the process.
//
//	go run ./examples/sshca
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	users, err := kms.Generate(kms.Ed25519)
	if err != nil {
		return err
	}
	hosts, err := kms.Generate(kms.Ed25519)
	if err != nil {
		return err
	}
	ca, err := authority.New(authority.Config{
		SSH: &authority.SSH{Issuers: []authority.SSHIssuer{
			{Name: "users", Type: provisioner.SSHUser, Signer: kms.FromCrypto(users)},
			{Name: "hosts", Type: provisioner.SSHHost, Signer: kms.FromCrypto(hosts)},
		}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "us", Principals: []string{"alice", "web.internal"}}},
		Bindings:     map[string]authority.Binding{"us": {SSH: []string{""}}},
		Store:        authority.NewMemory(),
	})
	if err != nil {
		return err
	}
	defer ca.Close()
	host, err := certify(ctx, ca, provisioner.SSHHost, "web.internal", 0)
	if err != nil {
		return err
	}
	alice, err := certify(ctx, ca, provisioner.SSHUser, "alice", time.Hour)
	if err != nil {
		return err
	}
	server := newServer(ca, host)
	if err := login(w, ca, server, alice); err != nil {
		return err
	}
	_, err = ca.Revoke(ctx, &authority.RevokeRequest{Operation: provisioner.SSHRevoke, Serial: alice.serial, Local: true, Reason: "left"})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "revoked:", login(w, ca, server, alice))
	return nil
}
