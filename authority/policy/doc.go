// Package policy says which names may be in a certificate: lists of what is allowed and what is denied,
// for DNS names, IP addresses, e-mail addresses, URIs and the common name.
//
// # Rules
//
// Deny is looked at first, and always wins. When any allow entry exists, of whatever type, a name must
// match an allow entry of its own type. When only deny entries exist, what is not denied is allowed. A
// nil [Policy] allows everything.
//
// A common name is judged as text by the common name lists, and as the DNS name, IP address, e-mail
// address or URI that it can be read as by that type's lists: either may deny it, either may allow it.
// One that is empty is not judged.
//
// A wildcard name such as "*.example.com" is refused unless AllowWildcards is set, by a policy that only
// denies as well. When set, an allow list must cover every name that the wildcard stands for, and a deny
// entry that touches any one of them denies it.
//
// A name that is not well-formed (a trailing dot, an empty label, a quoted local part, a URI with dot
// segments) is refused rather than compared, so that no other spelling gets around an entry.
//
// # Patterns
//
//	dns    host.example.com     that name
//	       *.example.com        exactly one more label
//	       **.example.com       one or more labels; not example.com itself
//	ip     10.0.0.1, fd00::/8   one address, or a network
//	email  @example.com         every address of exactly that domain
//	       joe@example.com      that address
//	uri    host, *.host, **.host  what the URI's host must be; port and user are not looked at
//	       spiffe://td/ns/*     everything below; without the star, that URI
//	       urn:uuid:*           the same for URIs that have no host
//	cn     any text             that text; a star means nothing
//
// DNS names, hosts, domains and schemes are compared without regard to case. For local parts, paths and
// text, allow entries regard case and deny entries do not. Names in other scripts are written as A-labels
// ("xn--…"). A leading dot is no pattern: write "**.".
//
// # Different from step
//
// The syntax is step-ca's, with "**." and full URIs added; these outcomes differ. A denied common name
// is denied even when it is an allowed DNS name. Wildcard names do not slip through a policy that only
// denies. A common name that is free text, where only DNS names are allowed, is denied like any other
// and is not an internal error.
package policy
