package main

import (
	"context"
	"fmt"
	"io"

	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/stepconfig"
)

// sshOptions are how SSH is served: not at all for a CA without it.
func (s *server) sshOptions(file *stepconfig.File, p *publication) (o httpapi.SSHOptions, err error) {
	if file.SSH == nil {
		return o, nil
	}
	set, err := file.Snippets()
	if err != nil {
		return o, err
	}
	o.Snippets, o.OpenHosts, o.NoHosts = set, file.SSH.OpenHosts, file.SSH.NoHosts
	o.Identity = file.SSH.Identity
	if p.krl != nil {
		o.KRL = p.krl
	}
	if b := file.SSH.Bastion; b != nil {
		bastion := httpapi.Bastion(*b)
		o.Bastion = func(context.Context, string, string) (*httpapi.Bastion, error) { return &bastion, nil }
	}
	return o, nil
}

// sshWords say how a host and a person come to trust each other.
func (s *server) sshWords(w io.Writer, url, provisioner, password string) {
	file := s.live.Load().file
	if file.SSH == nil || provisioner == "" {
		return
	}
	by := fmt.Sprintf(" --provisioner %s%s", quote(provisioner), password)
	fmt.Fprintf(w, "SSH, for a host, with keys that it has, and for a person:\n\n")
	fmt.Fprintf(w, "  step ssh config --roots > /etc/ssh/ca.pub\n")
	fmt.Fprintf(w, "  step ssh certificate --host --sign \"$(hostname)\" /etc/ssh/ssh_host_ecdsa_key.pub%s\n", by)
	fmt.Fprintf(w, "  step ssh certificate \"$USER\" id_ecdsa%s\n\n", by)
	fmt.Fprintf(w, "sshd wants TrustedUserCAKeys /etc/ssh/ca.pub and HostCertificate /etc/ssh/ssh_host_ecdsa_key-cert.pub; what is\nrevoked is at %s/ssh/krl, for its RevokedKeys.\n\n", url)
}
