package provisionertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
)

// NewSSHKey makes the public half of an Ed25519 key.
func NewSSHKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	k, err := ssh.NewPublicKey(NewKey(t, jose.EdDSA).Public())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sshProbes() []probe {
	return []probe{
		{"ssh/grants a type and principals", sshGood},
		{"ssh/grants no more principals than it may", morePrincipals},
		{"ssh/refuses another type", otherType},
		{"ssh/refuses without a key", noKey},
		{"ssh/leaves X.509 and SSH apart", apart},
	}
}

// sshGrants runs f for what each operation that issues an SSH certificate grants.
func sshGrants(h *Harness, f func(op provisioner.Operation, request func() *provisioner.Request, g *provisioner.Grant) error) error {
	for _, op := range []provisioner.Operation{provisioner.SSHSign, provisioner.SSHRenew, provisioner.SSHRekey} {
		request := h.Good[op]
		if request == nil {
			continue
		}
		g, err := h.Provisioner.Authorize(context.Background(), request())
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if g.SSH == nil || g.SSH.Type.String() == "" {
			return fmt.Errorf("%s: no type is granted", op)
		}
		if err := f(op, request, g); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return nil
}

func sshGood(h *Harness) error {
	return sshGrants(h, func(op provisioner.Operation, request func() *provisioner.Request, g *provisioner.Grant) error {
		switch {
		case len(g.SSH.Principals) == 0:
			return fmt.Errorf("no principal is granted, which would be a certificate for everybody")
		case g.SSH.KeyID == "" && g.Subject == "":
			return fmt.Errorf("nobody could tell from a log whose certificate it is")
		case op != provisioner.SSHSign && request().SSH.Certificate == nil:
			return fmt.Errorf("there is no certificate to be had again")
		}
		for _, s := range g.SSH.Principals {
			if s == "" || strings.ContainsAny(s, ",\x00\n") {
				return fmt.Errorf("principal %q", s)
			}
		}
		return nil
	})
}

func morePrincipals(h *Harness) error {
	if h.AnyName {
		return nil
	}
	return sshGrants(h, func(_ provisioner.Operation, request func() *provisioner.Request, _ *provisioner.Grant) error {
		for _, more := range [][]string{{"root"}, {"*"}, {""}, {"a,root"}, {"root", "root"}, {"stranger.example"}} {
			r := request()
			r.SSH.Principals = append(slices.Clone(r.SSH.Principals), more...)
			r.SSH.KeyID = "stranger"
			g, err := h.Provisioner.Authorize(context.Background(), r)
			if err != nil {
				if err := isRefusal(g, err, r); err != nil {
					return err
				}
				continue
			}
			for _, s := range more {
				if slices.Contains(g.SSH.Principals, s) {
					return fmt.Errorf("principal %q is granted because it was asked for", s)
				}
			}
			if g.SSH.KeyID == "stranger" && !r.Local {
				return fmt.Errorf("the key id comes from the request")
			}
		}
		return nil
	})
}

// otherType asks for the type that was not granted: it is refused, or not given.
func otherType(h *Harness) error {
	if h.AnyName {
		return nil
	}
	return sshGrants(h, func(op provisioner.Operation, request func() *provisioner.Request, first *provisioner.Grant) error {
		r := request()
		if op != provisioner.SSHSign || r.Local {
			return nil
		}
		r.SSH.Type = provisioner.SSHUser + provisioner.SSHHost - first.SSH.Type
		g, err := h.Provisioner.Authorize(context.Background(), r)
		if err != nil {
			return isRefusal(g, err, r)
		}
		if g.SSH.Type == r.SSH.Type {
			return fmt.Errorf("a credential for a %s certificate is good for one of a %s", first.SSH.Type, r.SSH.Type)
		}
		return nil
	})
}

func noKey(h *Harness) error {
	request := h.Good[provisioner.SSHSign]
	if request == nil {
		return nil
	}
	r := request()
	r.SSH = nil
	if err := refused(h.Provisioner, r); err != nil {
		return err
	}
	r = request()
	r.SSH.Key = nil
	return refused(h.Provisioner, r)
}

// apart makes sure that what is granted for the one kind of certificate says nothing about the other.
func apart(h *Harness) error {
	for op, request := range h.Good {
		g, err := h.Provisioner.Authorize(context.Background(), request())
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		issues := op == provisioner.SSHSign || op == provisioner.SSHRenew || op == provisioner.SSHRekey
		if issues != (g.SSH != nil) {
			return fmt.Errorf("%s: an SSH certificate is granted: %t", op, g.SSH != nil)
		}
		if issues && (g.Names.Len() > 0 || g.AnyName) {
			return fmt.Errorf("%s: names of X.509 are granted", op)
		}
	}
	return nil
}
