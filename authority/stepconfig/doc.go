// Package stepconfig reads a folder made by `step ca init` into the configuration of an authority, and
// makes such a folder for a new one. step's CLI (`step ca provisioner add` and the like, `step ca token
// --offline`) and step-ca itself work on folders of either origin.
//
// # What is read
//
// ca.json is read strictly. A setting that is not known, or that this version cannot honour, is an error
// that names the file, the line and the setting: nothing is ignored that somebody may rely on. All
// faults are reported at once. The exceptions are warnings ([File.Warnings]): settings for SSH, which
// step ca init --ssh writes, and others whose absence harms nobody.
//
// Provisioners of the types JWK and X5C are served. Two JWK provisioners with one name and different
// keys are one provisioner with two keys: tokens by either are good, which is how a key is replaced
// without a gap. Their claims and options must be the same. Each provisioner has a profile of its own,
// under its name. Names that a custom template adds are trusted, because whoever wrote ca.json wrote it.
//
// The db section chooses the store. Where it names one of step-ca's own kinds, records go to a SQLite
// file of ours beside it, and what step-ca kept is not carried over; without the section they stay in
// memory.
//
// Tokens may be made out to any of dnsNames, with the port of address and without one; the second is
// what `step ca token --offline` writes.
//
// # What ca.json cannot say
//
// A file chancery.json beside ca.json adds to it. It is a file of its own because step's CLI drops what
// it does not know from ca.json when it edits it. Every member may be left out:
//
//	{
//	  "anyPort": true,                            tokens may name any port of the CA's names
//	  "inventory": {"file": "inventory.json"},    relative to the folder above config
//	  "provisioners": {
//	    "admin": {
//	      "policy": {"allow": {"dns": ["*.web.internal"]}, "deny": {}, "allowWildcardNames": false},
//	      "entity": {"required": true, "names": false, "groups": {"web": ["**.web.internal"]}},
//	      "revokeAny": true                       its tokens may revoke any certificate
//	    }
//	  }
//	}
//
// The policy is in the form of authority.policy.x509 in ca.json, and a name must pass both.
package stepconfig
