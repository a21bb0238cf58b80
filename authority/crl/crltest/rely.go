package crltest

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Rely does what relying parties do, for every certificate in the store that was signed and has not ended: it
// gets the CRLs that the certificate names, and the complete ones of whichever issuer has the name and key of
// the certificate's own, from a handler that stands for all hosts of the world; checks each as RFC 5280,
// section 6.3.3, says, with the delta that it names; and returns what is wrong. That is a CRL that does not
// hold, or lists what is not revoked, or does not list what is. Unlike [Verify] it believes neither what the
// store says about a certificate's issuer and shard nor what it says about its CRLs. It wants a publisher that
// has caught up, and nothing to be revoked meanwhile. Certificates of issuers that make no CRLs any more,
// because they are retired or have ended, are left out.
func Rely(ctx context.Context, a *authority.Authority, crls http.Handler) []string {
	p := &party{ctx: ctx, store: a.Store(), crls: crls, now: time.Now(), lists: map[string]*list{}, dropped: map[string]map[authority.Serial]bool{}}
	for _, i := range a.Issuers() {
		if i.State != authority.Retired && p.now.Before(i.Certificate.NotAfter) {
			p.issuers = append(p.issuers, i)
		}
	}
	for q := (authority.Query{Limit: 1000}); ; {
		page, err := p.store.List(ctx, q)
		if err != nil {
			return append(p.faults, err.Error())
		}
		for _, r := range page.Records {
			if err := p.look(r); err != nil {
				p.say(r.Serial, "%v", err)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return p.faults
		}
	}
}

// party is a relying party.
type party struct {
	ctx     context.Context
	store   authority.Store
	crls    http.Handler
	now     time.Time
	issuers []authority.IssuerInfo
	lists   map[string]*list                     // by URL
	dropped map[string]map[authority.Serial]bool // by issuer: reservations of which CRLs speak
	faults  []string
}

func (p *party) say(s authority.Serial, format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf("certificate %s: "+format, append([]any{s}, args...)...))
}

// look checks what there is to find about one certificate.
func (p *party) look(r *authority.Record) error {
	if r.Status == authority.Reserved {
		return nil // nobody has it
	}
	c, err := certificateOf(r)
	if err != nil {
		return err
	}
	issuer := p.issuerOf(c, r.Status == authority.Issued)
	if issuer == nil || p.now.After(c.NotAfter) {
		return nil
	}
	f := &finding{party: p, serial: r.Serial, issuer: issuer.Certificate, reason: -1}
	switch {
	case r.Revocation != nil:
		f.reason = r.Revocation.ReasonCode
	case r.Status == authority.Abandoned:
		if f.reason, err = p.reasonOfDropped(r); err != nil {
			return err
		}
	}
	named := false
	for _, at := range c.CRLDistributionPoints {
		if strings.HasPrefix(at, "http") {
			named = true
			f.expect(at, at)
		}
	}
	for _, i := range p.issuers {
		at := "/crl/" + url.PathEscape(i.Name) + ".crl"
		switch {
		case i.Name == issuer.Name && !named:
			f.expect(at, "")
		default:
			f.mayFind(at)
		}
	}
	f.mayFind("/crl")
	return nil
}

// certificateOf returns the certificate of a record, also one that was perhaps signed and never handed out.
func certificateOf(r *authority.Record) (*x509.Certificate, error) {
	der := r.DER
	if r.Status == authority.Abandoned {
		der = unsigned(r.TBS)
	}
	c, err := x509.ParseCertificate(der)
	if err == nil && authority.SerialOf(c.SerialNumber) != r.Serial {
		err = errors.New("it has another serial than its record")
	}
	return c, err
}

// issuerOf returns who issued a certificate, by what it says itself.
func (p *party) issuerOf(c *x509.Certificate, signed bool) *authority.IssuerInfo {
	for n := range p.issuers {
		is := p.issuers[n].Certificate
		if bytes.Equal(is.RawSubject, c.RawIssuer) && (len(c.AuthorityKeyId) == 0 || bytes.Equal(is.SubjectKeyId, c.AuthorityKeyId)) &&
			(!signed || is.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil) {
			return &p.issuers[n]
		}
	}
	return nil
}

// reasonOfDropped returns 0 if the certificate of an abandoned reservation counts as revoked, and either if
// nobody can have it.
func (p *party) reasonOfDropped(r *authority.Record) (int, error) {
	all := p.dropped[r.Issuer]
	for q := (authority.ChangeQuery{Issuer: r.Issuer}); all == nil || q.Cursor != ""; {
		page, err := p.store.Changes(p.ctx, q)
		if err != nil {
			return either, err
		}
		if all == nil {
			all = map[authority.Serial]bool{}
			p.dropped[r.Issuer] = all
		}
		for _, c := range page.Changes {
			all[c.Serial] = true
		}
		q.Cursor = page.Next
	}
	if all[r.Serial] {
		return authority.ReasonUnspecified, nil
	}
	return either, nil
}

// either is the reason of what may be listed or not; -1 is that of what may not.
const either = -2

// finding is what is found about one certificate.
type finding struct {
	*party
	serial authority.Serial
	issuer *x509.Certificate
	reason int
}

// expect checks a CRL that must be there. at is its distribution point in the certificate, if it has one.
func (f *finding) expect(url, at string) {
	l := f.get(url)
	if err := l.judge(f.issuer, at, f.now); err != nil {
		f.say(f.serial, "%s: %v", url, err)
		return
	}
	f.compare(url, l)
}

// mayFind checks a complete CRL, if there is one at a URL, and it is one that counts for the certificate.
func (f *finding) mayFind(url string) {
	l := f.get(url)
	if l.err == nil && l.of(f.issuer) == nil && l.idp == nil && l.current(f.now) == nil {
		f.compare(url, l)
	}
}

func (f *finding) compare(url string, l *list) {
	entries, err := f.withDelta(l, f.issuer)
	if err != nil {
		f.say(f.serial, "%s: %v", url, err)
		return
	}
	reason, is := entries[f.serial]
	switch {
	case f.reason == either:
	case is && f.reason < 0:
		f.say(f.serial, "%s lists it, and it is not revoked", url)
	case !is && f.reason >= 0:
		f.say(f.serial, "%s does not list it, and it is revoked", url)
	case is && reason != f.reason:
		f.say(f.serial, "%s lists it with reason %d instead of %d", url, reason, f.reason)
	}
}

// withDelta returns what a CRL lists with the newest delta that it names.
func (p *party) withDelta(l *list, issuer *x509.Certificate) (Entries, error) {
	if len(l.freshest) == 0 {
		return l.entries, nil
	}
	at := l.freshest[0]
	if l.applied[at] != nil {
		return l.applied[at], nil
	}
	d := p.get(at)
	if err := errors.Join(d.err, d.of(issuer), d.current(p.now)); err != nil {
		return nil, fmt.Errorf("its delta %s: %w", at, err)
	}
	switch {
	case !bytes.Equal(d.scope, l.scope):
		return nil, fmt.Errorf("its delta %s is of another scope", at)
	case d.base == nil || d.base.Cmp(l.Number) > 0:
		return nil, fmt.Errorf("its delta %s does not add to it", at)
	}
	e := l.entries
	if d.Number.Cmp(l.Number) > 0 {
		e = Apply(l.entries, d.entries)
	}
	l.applied = map[string]Entries{at: e}
	return e, nil
}

// get gets a CRL, once.
func (p *party) get(url string) *list {
	if p.lists[url] == nil {
		p.lists[url] = fetch(p.ctx, p.crls, url)
	}
	return p.lists[url]
}

func contains(names []string, at string) error {
	if !slices.Contains(names, at) {
		return fmt.Errorf("it is of another distribution point: %q", names)
	}
	return nil
}
