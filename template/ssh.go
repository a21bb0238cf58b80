package template

import (
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSH makes SSH certificates of data. It is immutable and safe for concurrent use.
type SSH struct {
	name string
	make func(d *SSHData) (*SSHCertificate, error)
}

// SSHData is what an SSH template may speak of. The comments give the variables of text templates; zero
// fields are variables that do not exist.
type SSHData struct {
	Type             string            // .Type: "user" or "host"
	KeyID            string            // .KeyID
	Principals       []string          // .Principals
	Extensions       map[string]string // .Extensions
	CriticalOptions  map[string]string // .CriticalOptions
	Token            map[string]any    // .Token, the claims
	AuthorizationCrt *x509.Certificate // .AuthorizationCrt, of an X5C token
	CR               SSHRequest        // .Insecure.CR
	User             map[string]any    // .Insecure.User, what the request says
	Entity           any               // .Entity, from the inventory
	Webhooks         map[string]any    // .Webhooks
	Extra            map[string]any    // further top-level variables; see CheckSSHExtra
}

// SSHRequest is what a request asks for. Nobody has granted it.
type SSHRequest struct {
	Type       string
	KeyID      string
	Principals []string
	Key        ssh.PublicKey
}

// SSHCertificate is the part of an SSH certificate that a template decides on. Zero times are the times
// that were decided; others must lie within them.
type SSHCertificate struct {
	Type                    string // "user" or "host"; it must be the one that was granted
	KeyID                   string
	Principals              []string
	ValidAfter, ValidBefore time.Time
	CriticalOptions         map[string]string
	Extensions              map[string]string
}

// NewSSH returns a template that is a function; name is for errors only. What [New] says about such
// functions is true of this one.
func NewSSH(name string, make func(d *SSHData) (*SSHCertificate, error)) *SSH {
	return &SSH{name, make}
}

// SSHDefault is step's default: what was granted, with the extensions and options of the data.
func SSHDefault() *SSH {
	return NewSSH("ssh", func(d *SSHData) (*SSHCertificate, error) {
		return &SSHCertificate{
			Type: d.Type, KeyID: d.KeyID, Principals: slices.Clone(d.Principals),
			CriticalOptions: maps.Clone(d.CriticalOptions), Extensions: maps.Clone(d.Extensions),
		}, nil
	})
}

var sshVariables = [...]string{
	"Type", "KeyID", "Principals", "Extensions", "CriticalOptions", "Token", "AuthorizationCrt", "Insecure", "Entity", "Webhooks",
}

// CheckSSHExtra reports an error when a key of extra has the name of a built-in variable.
func CheckSSHExtra(extra map[string]any) error { return checkExtra(extra, sshVariables[:]) }

// Name returns the name that the template was made with.
func (t *SSH) Name() string { return t.name }

// Render makes the certificate that is to be signed. The error is a [*FailError] when the template
// refuses, else a [*RenderError].
func (t *SSH) Render(d *SSHData) (*SSHCertificate, error) {
	if err := CheckSSHExtra(d.Extra); err != nil {
		return nil, &RenderError{Template: t.name, Err: err}
	}
	if t.make == nil {
		return nil, &RenderError{Template: t.name, Err: errNothing}
	}
	c, err := t.make(d)
	if err == nil && c == nil {
		err = errNothing
	}
	if err != nil {
		return nil, asRenderError(t.name, err)
	}
	return c, nil
}

// asRenderError makes the error of a template's function one that Render returns.
func asRenderError(name string, err error) error {
	if e, ok := errors.AsType[*FailError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*RenderError](err); ok {
		own := *e // the function's may be one for all calls
		own.Template = name
		return &own
	}
	return &RenderError{Template: name, Err: err}
}
