// Package stepconfig reads a folder made by `step ca init` into the configuration of an authority, and
// makes such a folder for a new one. step's CLI (`step ca provisioner add` and the like, `step ca token
// --offline`) and step-ca itself work on folders of either origin.
//
// # What is read
//
// ca.json is read strictly. A setting that is not known, or that this version cannot honour, is an error
// that names the file, the line and the setting: nothing is ignored that somebody may rely on. All
// faults are reported at once. The exceptions are warnings ([File.Warnings]): settings whose absence harms
// nobody.
//
// Provisioners of the types JWK, X5C, ACME, OIDC and SSHPOP are served. Two JWK provisioners with one name and different
// keys are one provisioner with two keys: tokens by either are good, which is how a key is replaced
// without a gap. Their claims and options must be the same. Each provisioner has a profile of its own,
// under its name. Names that a custom template adds are trusted, because whoever wrote ca.json wrote it.
//
// An ACME provisioner is served at /acme/name by whoever serves the authority as package httpapi does. Its keys are
// forceCN, termsOfService, website, caaIdentities, requireEAB and challenges, which are http-01, dns-01 and tls-alpn-01
// if it names none. Device attestation needs attestationRoots. What a client orders is connected to from
// here, so only ordinary public and private addresses are: see below for others.
//
// The ssh section, which step ca init --ssh writes, makes the authority an SSH CA, too ([File.SSH]): its keys, those
// that are trusted beside them, the bastion, and templates for what clients and hosts write into their configuration.
// Whose certificates a provisioner lets through is enableSSHCA in its claims, and its templates are options.ssh.
// Principals have to pass authority.policy.ssh.
//
// An OIDC provisioner asks its provider, at configurationEndpoint, for documents and keys when they are needed, so that
// a start does not wait for it. Its keys are clientID, tenantID, admins, domains and groups.
//
// The db section chooses the store. Type postgresql is a PostgreSQL database, for whose driver see
// [StoreOptions]; our tables are added to what is there. Where the section names another of step-ca's kinds,
// records go to a SQLite file of ours beside it. What step-ca kept, in PostgreSQL too, is not carried over:
// certificates that it revoked are not known to be. Without the section records stay in memory.
//
// The crl section, with enabled, cacheDuration and renewPeriod, is in [File.CRL]. CRLs follow revocations
// unless generateOnRevoke says false. insecureAddress is [File.Insecure]; whoever serves it should serve
// there what is signed and public, and nothing else. As in step-ca, certificates do not name the CRL unless
// chancery.json asks for that.
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
//	  "signAudienceMayRevoke": true,              tokens that are made out to sign may revoke, too
//	  "inventory": {"file": "inventory.json", "offboard": true},   relative to the folder above config; whoever leaves
//	                                              it, or is disabled in it, has their certificates revoked
//	  "provisioners": {
//	    "admin": {
//	      "policy": {"allow": {"dns": ["*.web.internal"]}, "deny": {}, "allowWildcardNames": false},
//	      "entity": {"required": true, "names": false, "groups": {"web": ["**.web.internal"]}},
//	      "revokeAny": true,                      its tokens may revoke any certificate
//	      "ssh": {                                of SSH certificates, what the inventory must know of those who ask:
//	        "user": {"required": true, "principals": true, "extensions": {"login@github.com": "github"}},
//	        "host": {}                            principals: the entity's own; extensions: its attributes, by name
//	      }
//	    },
//	    "people": {"oidc": {"requireVerifiedEmail": true, "acr": [], "amr": ["mfa"]}},
//	    "acme": {"acme": {"scope": "private"}}    of one ACME provisioner; goes before what is said about all
//	  },
//	  "acme": {                                   of all ACME provisioners
//	    "challenges": ["dns-account-01", "dns-persist-01"],        beside those in ca.json
//	    "resolvers": ["192.0.2.53", "127.0.0.1:5353"],             DNS servers, instead of the system's
//	    "caa": true,                              CAA records are looked at; needs resolvers, and caaIdentities in ca.json
//	    "scope": "all",                           public, private, or listed: addresses that may be connected to
//	    "allow": ["127.0.0.0/8"], "deny": [],     prefixes, beside the scope and special addresses; deny goes first
//	    "proxy": "http://user:password@host:port",
//	    "httpPort": 80, "tlsPort": 443,           for tests: where challenges are looked for
//	    "requireContact": true,
//	    "orderLife": "24h", "authorizationLife": "24h",
//	    "limits": {"identifiers": 100, "accounts": 500, "orders": 2000, "pendingAuthorizations": 1000,
//	               "failedValidations": 30, "failedFromAddress": 600, "finalizations": 10}     -1: none
//	  },
//	  "ssh": {
//	    "openHosts": true,                        the list of hosts is for everybody
//	    "identity": true,                         step's clients get an X.509 certificate along with an SSH one
//	    "minRSABits": 3072                        of keys to be certified
//	  },
//	  "revocation": {
//	    "ocsp": true,                             OCSP requests are answered
//	    "shards": 16,                             CRLs that certificates are spread over; default one for all
//	    "delta": true, "deltaValidity": "1h",     delta CRLs, and how long they are good
//	    "pointers": {                             certificates carry URLs, which is what {} is enough for
//	      "url": "http://pki.example",            default http://, the first of dnsNames, insecureAddress's port
//	      "crl": [], "freshestCRL": [], "ocsp": [], "issuers": []    instead of those below url
//	    }
//	  },
//	  "retiring": {                               issuers before the present one, whose CRLs and OCSP go on
//	    "2025": {"crt": "certs/intermediate_2025.crt", "key": "secrets/intermediate_2025_key"}
//	  },
//	  "notices": {"certificates": ["72h"], "issuers": "720h"},       how long before an end it is announced
//	  "retention": {"certificates": "8760h", "events": "720h"},      how long records are kept after the end
//	  "sinks": {                                  who must not miss an event, under names that stay
//	    "audit": {"type": "file", "path": "audit.jsonl", "holdAfter": "1m"},
//	    "hook": {"type": "webhook", "url": "https://…", "secretFiles": ["secrets/hook"], "mode": "structured",
//	             "rootFile": "", "allowHTTP": false, "unsigned": false},
//	    "bus": {"type": "nats", "url": "tls://…", "prefix": "ca", "stream": "", "credentialsFile": "", "rootFile": ""},
//	    "log": {"type": "syslog", "address": "host:6514", "facility": 10, "plain": false, "rootFile": ""}
//	  }
//	}
//
// Each sink may have "events", a list of types without their prefix such as "certificate.issued"; "holdAfter",
// which makes it mandatory: nothing is issued while it is behind by more; and "giveUp", how long one event may
// fail before it is set aside. With revocation.pointers, serve the CRLs as package crl does, OCSP at
// [OCSPPath] and the issuers' certificates at [IssuersPath], below the URL.
//
// The policy is in the form of authority.policy.x509 in ca.json, and a name must pass both.
package stepconfig
