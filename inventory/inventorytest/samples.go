package inventorytest

import "github.com/chancery-ca/chancery/inventory"

// Samples returns entities of every kind, one with every field and one that is not active. They are valid
// together and in canonical form, in the order of their IDs.
func Samples() []*inventory.Entity {
	return []*inventory.Entity{
		{
			ID: "alice@corp", Kind: inventory.Person, Name: "Alice Ärmel", Active: true,
			Identifiers: []inventory.Identifier{{Kind: "email", Value: "Alice@corp.example"}, {Kind: "subject", Value: "u-1 (corp)"}},
			Groups:      []string{"admins", "staff"}, Tags: map[string]string{"site": "bern", "oncall": ""},
			Attributes: map[string]any{"level": 3.5, "admin": true, "none": nil, "roles": []any{"a", map[string]any{"b": "c"}}},
			Emails:     []string{"alice@corp.example"}, URIs: []string{"spiffe://corp.example/alice"}, Principals: []string{"alice"},
			POSIX: &inventory.POSIX{User: "alice", UID: 1001, GID: 100, Home: "/home/alice", Shell: "/bin/sh"},
		},
		{ID: "building-7", Kind: inventory.Place, Active: true},
		{
			ID: "host-1", Kind: inventory.Host, Active: true, Groups: []string{"web"}, Tags: map[string]string{"site": "bern"},
			Identifiers: []inventory.Identifier{{Kind: "hostname", Value: "web.internal"}, {Kind: "ip", Value: "10.0.0.1"}, {Kind: "instance-id", Value: "i-AbC"}},
			DNS:         []string{"web.internal", "billing.internal"}, IPs: []string{"10.0.0.1", "2001:db8::1"},
		},
		{
			ID: "host-2", Kind: inventory.Host, Active: false, Tags: map[string]string{"site": "biel"},
			Identifiers: []inventory.Identifier{{Kind: "hostname", Value: "old.internal"}},
		},
		{ID: "svc-1", Kind: inventory.Service, Active: true, Groups: []string{"staff"}, Identifiers: []inventory.Identifier{{Kind: "key-fingerprint", Value: "ab01"}}},
	}
}

func query(kindsAndValues ...string) inventory.Query {
	var q inventory.Query
	for i := 0; i < len(kindsAndValues); i += 2 {
		q.Identifiers = append(q.Identifiers, inventory.Identifier{Kind: kindsAndValues[i], Value: kindsAndValues[i+1]})
	}
	return q
}
