// Package inventory is the catalogue of those who may hold certificates: people, hosts, services and
// places, each an [Entity] with names, groups, tags and attributes, active or not.
//
// An authority asks an [Inventory] about everybody who has shown a credential. [Memory] is one that can
// be written; [File] reads a JSON file and follows its changes; [Func] makes one of a function. What an
// implementation must do is said by the suites in inventory/inventorytest.
//
// # Comparing identifiers
//
// An identifier is compared exactly, in the canonical form that [Identifier.Canonical] gives and that
// the provisioners use: host names in lower case, e-mail addresses with the domain in lower case (what
// stands before the @ is not touched), IP addresses as package netip prints them with IPv4-mapped ones
// as IPv4, key fingerprints in lower case, everything else as it is. Stores keep identifiers in that
// form, and look-ups bring theirs into it.
package inventory
