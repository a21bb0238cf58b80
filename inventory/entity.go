package inventory

// Entity is somebody or something that may hold certificates.
type Entity struct {
	ID          string            `json:"id"`   // unique, stable, never reused
	Kind        Kind              `json:"kind"` // required
	Name        string            `json:"name,omitempty"`
	Identifiers []Identifier      `json:"identifiers,omitempty"` // unique across the inventory
	Active      bool              `json:"active"`
	Groups      []string          `json:"groups,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Attributes  map[string]any    `json:"attributes,omitempty"` // as decoded from JSON

	// What the entity may be called in certificates, for profiles that take names from the inventory.
	DNS        []string `json:"dns,omitempty"`
	IPs        []string `json:"ips,omitempty"`
	Emails     []string `json:"emails,omitempty"`
	URIs       []string `json:"uris,omitempty"`
	Principals []string `json:"principals,omitempty"` // SSH

	POSIX *POSIX `json:"posix,omitempty"`
}

// Kind sorts entities.
type Kind string

// The kinds of entities.
const (
	Person  Kind = "person"
	Host    Kind = "host"
	Service Kind = "service"
	Place   Kind = "place"
)

// Identifier is one thing by which a credential may name the entity; Kind is one of package
// provisioner's ("hostname", "email", …) and Value is compared exactly, in canonical form.
type Identifier struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// POSIX is a person's account on Unix hosts.
type POSIX struct {
	User  string `json:"user"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Home  string `json:"home,omitempty"`
	Shell string `json:"shell,omitempty"`
}
