package crltest

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Entries maps the serials of a CRL to their reason codes.
type Entries map[authority.Serial]int

// EntriesOf returns what a CRL lists.
func EntriesOf(l *x509.RevocationList) Entries {
	e := Entries{}
	for _, r := range l.RevokedCertificateEntries {
		e[authority.SerialOf(r.SerialNumber)] = r.ReasonCode
	}
	return e
}

// Apply returns what a relying party knows that has a full CRL and a delta (RFC 5280, section 5.2.4).
func Apply(full, delta Entries) Entries {
	e := maps.Clone(full)
	for s, reason := range delta {
		if e[s] = reason; reason == authority.ReasonRemoveFromCRL {
			delete(e, s)
		}
	}
	return e
}

// Verify reads the CRLs of every issuer that is neither retired nor at its end, and everything that they
// should list, and returns what is wrong: a CRL that does not parse, is not signed by the issuer, says
// something else than the store does, has lapsed or is from the future; one, its delta applied, that lists a
// certificate which is not revoked, or does not list one that is, or lists it with another reason. It wants
// a publisher that has caught up, and nothing to be revoked meanwhile.
func Verify(ctx context.Context, a *authority.Authority) (faults []string) {
	for _, i := range a.Issuers() {
		if i.State == authority.Retired || !time.Now().Before(i.Certificate.NotAfter) {
			continue
		}
		v := &verifier{ctx: ctx, store: a.Store(), issuer: i}
		v.run()
		faults = append(faults, v.faults...)
	}
	return faults
}

type verifier struct {
	ctx    context.Context
	store  authority.Store
	issuer authority.IssuerInfo
	faults []string

	records map[authority.Serial]*authority.Record
	changed map[authority.Serial]bool
}

func (v *verifier) say(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf("issuer %q: "+format, append([]any{v.issuer.Name}, args...)...))
}

func (v *verifier) run() {
	if err := v.read(); err != nil {
		v.say("%v", err)
		return
	}
	all, err := v.store.CRLs(v.ctx, v.issuer.Name)
	if err != nil {
		v.say("%v", err)
		return
	}
	deltas := map[int]*authority.CRL{}
	fulls := 0
	for _, c := range all {
		if c.Delta {
			deltas[c.Shard] = c
		}
	}
	for _, c := range all {
		if c.Delta {
			continue
		}
		fulls++
		listed, newest := v.entries(c), c
		// A delta that is older than the full CRL says nothing that the latter does not.
		if d := deltas[c.Shard]; d != nil && d.Number > c.Number {
			if d.Base > c.Number {
				v.say("shard %d: the delta adds to %d, which is not there", c.Shard, d.Base)
			}
			listed, newest = Apply(listed, v.entries(d)), d
		}
		v.compare(newest, listed)
	}
	if fulls == 0 {
		v.say("there is no CRL")
	}
}

// read finds out what should be listed, by another way than a publisher does.
func (v *verifier) read() error {
	v.records, v.changed = map[authority.Serial]*authority.Record{}, map[authority.Serial]bool{}
	for q := (authority.Query{Issuer: v.issuer.Name, Limit: 1000}); ; {
		page, err := v.store.List(v.ctx, q)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			v.records[r.Serial] = r
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	for q := (authority.ChangeQuery{Issuer: v.issuer.Name}); ; {
		page, err := v.store.Changes(v.ctx, q)
		if err != nil {
			return err
		}
		for _, c := range page.Changes {
			v.changed[c.Serial] = true
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}

// entries returns what a CRL lists, and finds what is wrong with it by itself.
func (v *verifier) entries(c *authority.CRL) Entries {
	name := fmt.Sprintf("shard %d, delta %t, number %d", c.Shard, c.Delta, c.Number)
	c, err := v.store.CRL(v.ctx, c.CRLScope, 0)
	if err != nil {
		v.say("%s: %v", name, err)
		return Entries{}
	}
	l, err := x509.ParseRevocationList(c.DER)
	if err != nil {
		v.say("%s: %v", name, err)
		return Entries{}
	}
	now := time.Now()
	if err := l.CheckSignatureFrom(v.issuer.Certificate); err != nil {
		v.say("%s: %v", name, err)
	}
	if l.Number == nil || l.Number.Cmp(big.NewInt(c.Number)) != 0 || !l.ThisUpdate.Equal(c.ThisUpdate) || !l.NextUpdate.Equal(c.NextUpdate) ||
		len(l.RevokedCertificateEntries) != c.Entries {
		v.say("%s: the store says something else about it than it does itself", name)
	}
	if !bytes.Equal(l.AuthorityKeyId, v.issuer.Certificate.SubjectKeyId) {
		v.say("%s: another issuer's key identifier", name)
	}
	if now.Before(l.ThisUpdate) || !now.Before(l.NextUpdate) {
		v.say("%s: good from %v to %v, and now is %v", name, l.ThisUpdate, l.NextUpdate, now)
	}
	e := EntriesOf(l)
	if len(e) != len(l.RevokedCertificateEntries) {
		v.say("%s: a serial twice", name)
	}
	return e
}

// compare holds what is listed against the records. Those that ended may be listed or not.
func (v *verifier) compare(newest *authority.CRL, listed Entries) {
	name := fmt.Sprintf("shard %d, number %d", newest.Shard, newest.Number)
	for s, r := range v.records {
		if newest.Shard != 0 && newest.Shard != r.Shard {
			continue
		}
		reason, is := listed[s]
		delete(listed, s)
		want, should := 0, r.Revocation != nil || r.Status == authority.Abandoned && v.changed[s]
		if r.Revocation != nil {
			want = r.Revocation.ReasonCode
		}
		switch {
		case is && !should:
			v.say("%s: lists %s, which is not revoked", name, s)
		case is && reason != want:
			v.say("%s: lists %s with reason %d instead of %d", name, s, reason, want)
		case should && !is && !r.NotAfter.Before(newest.ThisUpdate):
			v.say("%s: does not list %s", name, s)
		}
	}
	for s := range listed {
		v.say("%s: lists %s, of which there is no record in that scope", name, s)
	}
}
