package template

import (
	"crypto/x509"
	"fmt"
)

// SAN is a subject alternative name. Type is dns, ip, email, uri or auto, which finds out; empty is auto.
// Templates of package step know step's extended kinds as well (permanentIdentifier, userPrincipalName,
// an OID …).
type SAN struct{ Type, Value string }

// Data is what a template may speak of. The comments give the variables of text templates; zero fields
// are variables that do not exist.
type Data struct {
	CommonName       string                   // .Subject.CommonName
	SANs             []SAN                    // .SANs
	Token            map[string]any           // .Token, the claims
	AuthorizationCrt *x509.Certificate        // .AuthorizationCrt, of an X5C token
	CR               *x509.CertificateRequest // .Insecure.CR; the key is taken from it
	User             map[string]any           // .Insecure.User, what the request says
	Entity           any                      // .Entity, from the inventory
	Webhooks         map[string]any           // .Webhooks
	Extra            map[string]any           // further top-level variables; see CheckExtra
}

var builtinVariables = [...]string{
	"Subject", "SANs", "Token", "AuthorizationCrt", "AuthorizationChain", "Insecure", "Entity", "Webhooks",
}

// CheckExtra reports an error when a key of extra has the name of a built-in variable.
func CheckExtra(extra map[string]any) error { return checkExtra(extra, builtinVariables[:]) }

func checkExtra(extra map[string]any, builtin []string) error {
	for _, k := range builtin {
		if _, ok := extra[k]; ok {
			return fmt.Errorf("template: data %q has the name of a built-in variable", k)
		}
	}
	return nil
}
