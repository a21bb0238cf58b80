package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// Run runs the suite. open returns an empty store, and closes it, if need be, by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) authority.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, authority.Store)
	}{
		{"Reserve/round trip", reserveRoundTrip},
		{"Reserve/serial exists", reserveExists},
		{"Reserve/credential spent", reserveSpent},
		{"Reserve/credential free", reserveWithoutSpend},
		{"Reserve/not a serial", reserveNoSerial},
		{"Reserve/ignores what is not its own", reserveIgnores},
		{"Commit/round trip", commitRoundTrip},
		{"Commit/again", commitAgain},
		{"Commit/wrong state", commitWrongState},
		{"Commit/any bytes", commitAnyBytes},
		{"Abandon/keeps the credential spent", abandonKeeps},
		{"Abandon/releases the credential", abandonReleases},
		{"Abandon/wrong state", abandonWrongState},
		{"Reconcile/old reservations only", reconcileOld},
		{"Reconcile/in slices", reconcileSlices},
		{"List/order and pages", listPages},
		{"List/stable under inserts", listStable},
		{"List/filters", listFilters},
		{"List/foreign cursors", listCursors},
		{"List/any query", listProperty},
		{"List/behind others", listBehindOthers},
		{"List/newest first under inserts", listNewestFirst},
		{"Ending/order and pages", endingPages},
		{"Revoke/round trip", revokeRoundTrip},
		{"Revoke/errors spend nothing", revokeErrors},
		{"Revoke/known record", revokeKnown},
		{"Revoke/every status", revokeStatuses},
		{"Revoke/hold and final reason", holdThenFinal},
		{"Revoke/abandoned or not", revokeAndAbandon},
		{"Release/round trip", releaseRoundTrip},
		{"Release/errors", releaseErrors},
		{"Changes/what CRLs list", changesListed},
		{"Changes/above a revision", changesAbove},
		{"Changes/pages", changesPages},
		{"Changes/any history", changesHistory},
		{"Revision/under writers", revisionConcurrent},
		{"CRL/round trip", crlRoundTrip},
		{"CRL/numbers", crlNumbers},
		{"CRL/one number for two writers", crlRace},
		{"Outbox/order and sinks", outboxOrder},
		{"Outbox/until delivered", outboxDelivered},
		{"Outbox/every kind of event", outboxEvents},
		{"Outbox/only forward under posters", outboxForward},
		{"Dead letters/buried and delivered", deadLetters},
		{"Dead letters/replayed", deadReplay},
		{"Prune/credentials", pruneSpent},
		{"Prune/certificates", pruneCertificates},
		{"Prune/budget", pruneBudget},
		{"PutCRL/never less than before", crlRevision},
		{"Outbox/backlog", deadBacklog},
		{"Prune/events", pruneEvents},
		{"Prune/events in slices", pruneEventsBudget},
		{"Mark", marks},
		{"Lease/one holder", leaseExclusive},
		{"Lease/at once", leaseRace},
		{"Copies", copies},
		{"Context ended", contextEnded},
		{"Race/one credential", raceSpend},
		{"Race/one serial", raceSerial},
		{"Race/commit and abandon", raceCommit},
		{"Race/revoke", raceRevoke},
		{"Race/hold", raceHold},
		{"Race/hold and abandon", raceDrop},
		{"Race/dead letters", raceDead},
		{"Race/prune", racePrune},
		{"Race/everything", raceAll},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Record returns a record like an authority's, with the serial and all that can be searched for made
// from n. Its TBS is one that [Certificate] puts into a certificate.
func Record(n int) *authority.Record {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	name := fmt.Sprintf("host-%d.internal", n)
	key := sha256.Sum256([]byte(name))
	return &authority.Record{
		Serial: serial(n), Status: authority.Reserved, Operation: provisioner.X509Sign, Issuer: "default", Shard: n & 3,
		TBS: sequence([]byte("tbs of " + name + strings.Repeat(".", 400))), NotBefore: start, NotAfter: start.Add(24 * time.Hour),
		Subject: name, Names: []string{name, "www." + name, "10.0.0.1"}, KeyID: hex.EncodeToString(key[:]), Provisioner: "admin",
		Profile: "server", Entity: "entity-" + name, Previous: serial(n + 1000000), RequestID: fmt.Sprintf("request-%d", n),
		Identifiers: []provisioner.Identifier{{Kind: provisioner.HostName, Value: name}}, ReservedAt: start.Add(1234 * time.Microsecond),
	}
}

// Certificate returns something with the outer form of a certificate around a TBS.
func Certificate(tbs []byte) []byte {
	return sequence(append(append([]byte{}, tbs...), sequence([]byte("algorithm, signature: 72 octets or so, of which none is looked at here"))...))
}

// Spend returns a credential of that name that has an hour to live.
func Spend(id string) provisioner.Spend {
	return provisioner.Spend{ID: id, Until: time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)}
}

func serial(n int) authority.Serial {
	b := sha256.Sum256(fmt.Append(nil, n))
	b[0] |= 0x40
	return authority.SerialOf(new(big.Int).SetBytes(b[:16]))
}

// sequence wraps content, of 128 to 65535 octets or less than 128, in a DER SEQUENCE.
func sequence(content []byte) []byte {
	n := len(content)
	switch {
	case n < 0x80:
		return append([]byte{0x30, byte(n)}, content...)
	case n < 0x100:
		return append([]byte{0x30, 0x81, byte(n)}, content...)
	}
	return append([]byte{0x30, 0x82, byte(n >> 8), byte(n)}, content...)
}

var issuedAt = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// posts returns an event about a serial for some sinks.
func posts(id string, sinks ...string) []authority.Post {
	return []authority.Post{{To: sinks, Event: event.Event{
		ID: id, Type: event.CertificateIssued, Source: "test", Subject: "subject of " + id, Time: issuedAt,
		Data: event.Certificate{Serial: id, NotAfter: issuedAt, Names: []string{id}},
	}}}
}

func reserve(t *testing.T, s authority.Store, n int) *authority.Record {
	t.Helper()
	r := Record(n)
	require.NoError(t, s.Reserve(context.Background(), r, Spend(fmt.Sprintf("token-%d", n))))
	return r
}

func issue(t *testing.T, s authority.Store, n int) *authority.Record {
	t.Helper()
	r := reserve(t, s, n)
	r.Status, r.DER, r.IssuedAt = authority.Issued, Certificate(r.TBS), issuedAt
	require.NoError(t, s.Commit(context.Background(), r.Serial, r.DER, r.IssuedAt, nil))
	return r
}

func get(t *testing.T, s authority.Store, n authority.Serial) *authority.Record {
	t.Helper()
	r, err := s.Certificate(context.Background(), n)
	require.NoError(t, err)
	return r
}

func outbox(t *testing.T, s authority.Store, sink string) []authority.Posted {
	t.Helper()
	p, err := s.Outbox(context.Background(), sink, 0, 1000)
	require.NoError(t, err)
	return p
}

// list returns everything that q chooses.
func list(t *testing.T, s authority.Store, q authority.Query) []*authority.Record {
	t.Helper()
	var out []*authority.Record
	for {
		p, err := s.List(context.Background(), q)
		require.NoError(t, err)
		out = append(out, p.Records...)
		if q.Cursor = p.Next; p.Next == "" {
			return out
		}
	}
}

func serials(rs []*authority.Record) []authority.Serial {
	out := []authority.Serial{}
	for _, r := range rs {
		out = append(out, r.Serial)
	}
	return out
}
