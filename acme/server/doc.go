// Package server is an ACME server (RFC 8555) as a provisioner: clients prove that they control what they order, and
// an order that is ready is the credential that the authority's pipeline judges. It never sees a signing key.
//
// Put it among the provisioners of an authority, and serve its handler: package httpapi does so at /acme/{name}/, where
// step-ca's clients look, and [Server.Handler] anywhere else. The authority's Run does its background work: without it
// everything is done while a client waits, and what a crash left undone is taken on by nobody.
//
// Every node that has the same store, and the same name, serves the same accounts and orders: nonces are right on any of
// them, and validations and orders that one node left off are taken on by another.
package server
