package krl

import (
	"context"
	"time"

	"golang.org/x/crypto/ssh"
)

// Change is the end of a certificate, or of a hold on it.
type Change struct {
	CA      ssh.PublicKey // that signed the certificate; required
	Serial  uint64        // not zero, which no list can name
	Revoked bool          // false: it was on hold, and is good again
	Until   time.Time     // the end of the certificate, after which the entry may go; zero: it never does
}

// Source knows which certificates are revoked: an *authority.Authority.
//
// SSHRevocations returns the changes with a revision above that one, and the revision up to which they
// go; above 0 all that are revoked. The revision rises with every change, and is the same on every node
// that sees the same books. Of several changes of one certificate the last counts. It honours ctx: while it
// does not answer, no list is made.
type Source interface {
	SSHRevocations(ctx context.Context, above int64) (changes []Change, revision int64, err error)
}

// SourceFunc is a function as a Source.
type SourceFunc func(ctx context.Context, above int64) ([]Change, int64, error)

// SSHRevocations calls f.
func (f SourceFunc) SSHRevocations(ctx context.Context, above int64) ([]Change, int64, error) {
	return f(ctx, above)
}
