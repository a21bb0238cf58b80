package authority

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// Config is what an Authority is put together from: live values, no paths. [New] checks all of it and
// reports every fault at once. It has X.509 issuers, or SSH ones, or both.
type Config struct {
	// Name is the source of the authority's events, a URI reference; default "chancery".
	Name string

	// URLs are where the authority can be reached: scheme, host, port and path prefix, without a
	// trailing slash. Tokens must be made out to one of them. The port "*" stands for any. Required for
	// provisioners that take tokens.
	URLs []string

	Roots          []*x509.Certificate // required with Issuers: the ends of their chains, old and new ones
	FederatedRoots []*x509.Certificate // other authorities' roots, served to clients and trusted for nothing
	Issuers        []Issuer            // required but for an SSH CA; names must differ; the first active one is the default

	SSH *SSH // nil: no SSH certificates

	Provisioners []provisioner.Provisioner // required, names must differ; asked in this order
	Bindings     map[string]Binding        // by provisioner name; the zero Binding for those not listed
	Profiles     []Profile                 // names must differ; the one named "" is the default, and is made if absent

	Policy *policy.Policy // names that may be issued at all; nil allows what the grant allows

	// AcceptSignAudienceForRevoke lets tokens that are made out to sign revoke, too: some of step-ca's
	// clients make no others. The token's subject must be the serial all the same.
	AcceptSignAudienceForRevoke bool

	// Decide has the last word on every issuance, when everything else has allowed what is to be signed: an
	// error refuses. An *Error is returned to the caller as it is; any other becomes Denied with the
	// error's text. What it writes into d changes nothing.
	Decide func(ctx context.Context, d *Decision) error

	Inventory inventory.Inventory // nil: nothing is looked up

	// Offboard has Run revoke all certificates of an entity, SSH and X.509, once the inventory says that it is
	// not active any more, or has gone. The inventory must be an inventory.Watcher, and should be a Lister, so
	// that what happened while nobody watched is made up for; who has gone meanwhile is not renewed.
	Offboard bool

	// Store is required. Authorities that share one, in this process or others, are nodes of one CA: they have
	// the same Name, issuers, sinks and retention, and share out the work of Run. Another CA wants another store.
	Store Store

	// ExpiryNotices are how long before its end a certificate is announced as expiring by Run, once each;
	// its end is then announced, too. Empty announces neither.
	ExpiryNotices []time.Duration

	// IssuerNotice is how long before its end an issuer or root is announced as expiring, once a day; zero
	// means 30 days.
	IssuerNotice time.Duration

	// Retention is how long records are kept after their certificates ended; zero keeps them for ever.
	// Revoked ones stay until a CRL has said so once more after their end.
	Retention time.Duration

	// EventRetention is how long dead letters are kept, and events of sinks that are no longer configured;
	// zero means 30 days.
	EventRetention time.Duration

	Sinks  []event.Sink // told in process after the fact; their errors are logged
	Outbox []Delivery   // must not miss an event, refusals of unknown callers apart; names must differ

	Observer Observer     // nil: nobody watches
	Logger   *slog.Logger // nil discards
}

// Issuer is a CA that signs: its certificate, what links it to a root, and its key.
type Issuer struct {
	// Name is for ever: records and CRLs are kept under it. The certificate may be replaced by a renewed
	// one, with the same subject and key.
	Name  string
	State State

	// Chain begins with the issuer's own certificate and goes up. The root may be left out.
	Chain  []*x509.Certificate
	Signer kms.Signer

	Pointers Pointers // URLs that its certificates carry

	// RefuseTruncation refuses a leaf that would outlive the chain. The zero value cuts it, with an event.
	RefuseTruncation bool
}

// State says what an issuer may still do.
type State int

// The states of an issuer. Its life goes from pending over active and retiring to retired.
const (
	Active   State = iota // signs certificates
	Pending               // known and published, does not sign yet
	Retiring              // signs CRLs and OCSP responses only
	Retired               // signs nothing; its certificates are still recognised
)

// Profile is what is issued, under a name.
type Profile struct {
	Name         string
	Template     *template.Template // nil: template.Leaf()
	TemplateData map[string]any     // further top-level values for the template
	Validity     Validity
	Keys         KeyRule
	Issuer       string         // name; empty: the default issuer
	Policy       *policy.Policy // beside the authority's own
	Entity       EntityRule

	// TemplateNames trusts names that the template adds to those of the grant. Policy, inventory and
	// hygiene still judge them. The zero value refuses them.
	TemplateNames bool

	// Authority makes it a profile of CA certificates, and of nothing else. The zero value issues none.
	Authority bool

	// NoMark leaves out step's provisioner extension.
	NoMark bool
}

// Validity says how long certificates live. The zero value is step's: 5 minutes to 24 hours, 24 hours
// when nothing is asked for, begun one minute ago.
type Validity struct {
	Min, Default, Max time.Duration
	Backdate          time.Duration // negative: none
}

// EntityRule says what a profile wants of the inventory. The zero value asks for nothing; an entity
// that is known and not active is refused all the same.
type EntityRule struct {
	// Required refuses a subject that the inventory does not know.
	Required bool

	// Names takes the certificate's names from the entity, instead of from the credential: all of them,
	// or those that the CSR asks for. It implies Required.
	Names bool

	// Groups allows only DNS names under what the entity's groups allow: group to DNS patterns in the
	// syntax of package policy. Names that are not DNS are refused. Not nil implies Required.
	Groups map[string][]string
}

// Binding ties a provisioner to profiles and narrows what it may have.
type Binding struct {
	Profile   string   // the one it uses
	Profiles  []string // others that a request or a grant may name
	RevokeAny bool     // its tokens may revoke any certificate, not just its own

	// SSH are the SSH profiles that it may use, its own first. Empty: it may have no SSH certificates.
	SSH []string

	// Policy judges names beside the authority's and the profile's. All of them have to agree.
	Policy *policy.Policy
}

// Delivery is a sink that reads from the outbox, under a name that stays the same across restarts. One
// node at a time delivers to it.
type Delivery struct {
	Name string
	Sink event.Sink

	// HoldAfter makes the sink a mandatory one: while something happened longer ago than this that it was
	// not told of, nothing is issued, and those who ask are told to try again. Revocations go on. Its dead
	// letters count until they are replayed or dismissed, and are kept until then. Zero: it never is.
	HoldAfter time.Duration

	// GiveUp is how long one event may go on failing before it becomes a dead letter; zero means for ever.
	// What that means when the sink as a whole is down is said at [event.Pump].
	GiveUp time.Duration
}
