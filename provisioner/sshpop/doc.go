// Package sshpop lets whoever holds the key of an SSH certificate have it again, or end it: step's SSHPOP
// provisioner. Its credentials are tokens that carry the certificate and are signed with its key. Only
// host certificates are renewed and rekeyed; whoever logs in as a user proves anew who they are.
package sshpop
