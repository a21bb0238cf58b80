package authority

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// Reason codes that mean something to this package (RFC 5280, section 5.3.1).
const (
	ReasonUnspecified     = 0
	ReasonCertificateHold = 6
	ReasonRemoveFromCRL   = 8 // in a [Change] only: a hold has ended
)

// Revocation says that and why a certificate is no longer good. One with [ReasonCertificateHold] can end.
type Revocation struct {
	Serial      Serial
	ReasonCode  int // RFC 5280, section 5.3.1
	Reason      string
	RevokedAt   time.Time
	Provisioner string // whose credential asked
	By          string // the subject of that credential
}

// Hold reports whether v can end.
func (v *Revocation) Hold() bool { return v != nil && v.ReasonCode == ReasonCertificateHold }

// RevocationStore is the part of a [Store] that holds what revocation data is made from, and the CRLs that
// were made.
type RevocationStore interface {
	// Revoke records v, and spends the credential, in one transaction. If known is not nil and the store
	// has no record of the serial, it becomes the record: so a certificate that another program issued
	// under the same issuer can be revoked. A serial that is revoked already is [ErrRevoked], unless it
	// is on hold and v is not a hold: then v takes its place. One without record is [ErrNotFound]. Both
	// spend nothing. Records of every status can be revoked.
	Revoke(ctx context.Context, v *Revocation, known *Record, spend provisioner.Spend, posts []Post) error

	// Release ends a hold: the record has no Revocation any more. A serial that is not on hold is
	// [ErrState], one without record [ErrNotFound].
	Release(ctx context.Context, s Serial, at time.Time, posts []Post) error

	// Revision returns a number such that all changes whose revision is not above it are visible to
	// calls that begin later, and every change still to be committed gets one above it.
	Revision(ctx context.Context) (int64, error)

	// Changes returns what CRLs list: revocations, and reservations that were abandoned without giving
	// their credential back, as reason 0 at the moment of their end. With q.Above it returns holds that have ended, too, as
	// ReasonRemoveFromCRL. It costs what it returns, in an order that is the store's own. A serial that is
	// changed between two pages may come again, as it is by then; the last word is the right one.
	Changes(ctx context.Context, q ChangeQuery) (*ChangePage, error)

	// PutCRL keeps a CRL in the place of the one of its issuer, shard and kind. Full CRLs and deltas of a
	// shard are numbered together: a number that is not above the highest of both is [ErrExists], and so is a
	// revision below that of the CRL whose place it would take, which knows more.
	PutCRL(ctx context.Context, c *CRL, posts []Post) error

	// CRL returns the CRL of a scope if its number is above that one, else [ErrNotFound].
	CRL(ctx context.Context, s CRLScope, above int64) (*CRL, error)

	// CRLs returns all CRLs of an issuer, without their DER, by shard, full before delta.
	CRLs(ctx context.Context, issuer string) ([]*CRL, error)
}

// Change is an entry of a CRL (RFC 5280, section 5.1.2.6).
type Change struct {
	Serial     Serial
	Shard      int
	ReasonCode int
	At         time.Time // when it was revoked, abandoned or released
	NotAfter   time.Time // of the certificate
	Revision   int64
}

// ChangeQuery chooses changes of one issuer.
type ChangeQuery struct {
	Issuer   string
	Shard    int       // 0: of all shards
	Above    int64     // those with a revision above it; 0: all
	NotAfter time.Time // of certificates that end then or later
	Cursor   string    // ChangePage.Next of the page before
	Limit    int       // 0 means 1000; at most 10000
}

// ChangePage is a part of the changes. Next is empty on the last one, and only there.
type ChangePage struct {
	Changes []Change
	Next    string
}

// CRLScope names a series of CRLs.
type CRLScope struct {
	Issuer string
	Shard  int // 0: the complete one
	Delta  bool
}

// CRL is a certificate revocation list as it was signed.
type CRL struct {
	CRLScope
	Number                 int64
	Base                   int64 // of a delta: the number of the full CRL that it adds to
	Revision               int64 // every change up to this is in it
	ThisUpdate, NextUpdate time.Time
	Entries                int
	DER                    []byte
}
