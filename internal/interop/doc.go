// Package interop tests examples/intermediate with programs that nobody here wrote: the step CLI,
// OpenSSL, GnuTLS, curl, nginx, jq, PostgreSQL, ACME clients (certbot, lego, acme-client, Caddy and Go's), OpenSSH's
// ssh, sshd and ssh-keygen, PuTTY, an OpenID provider, step-ca itself, and step-ca's Go client in a module of its own
// (testdata/stepclient). Events go to a NATS server in the test's process, and to receivers that read
// webhooks and syslog with the libraries made for them.
//
// A program that is not there skips what needs it, with a message that says how to get it. With
// CHANCERY_INTEROP=require that is a failure instead. Everything happens on loopback, in temporary
// folders, with HOME and STEPPATH in them.
//
// The tests know what works by what real clients of the real step-ca do. CHANCERY_INTEROP_SERVER=step-ca
// runs them against that one: a test that fails there has got the contract wrong, and the few that check
// where we differ on purpose skip.
package interop
