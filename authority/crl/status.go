package crl

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Status is where a series of CRLs stands, as this process last saw it. Number is 0 while there is none.
type Status struct {
	authority.CRLScope
	Number                 int64
	ThisUpdate, NextUpdate time.Time
	Entries                int
	Err                    error     // why it is not as it should be: the last attempt of this process failed, or the store did
	Failing                time.Time // since when; zero without Err
}

// Age returns how old the CRL is, and 0 if there is none.
func (s Status) Age(now time.Time) time.Duration {
	if s.Number == 0 {
		return 0
	}
	return now.Sub(s.ThisUpdate)
}

// Status returns where each series stands, by issuer, shard and kind: those that Run, or Publish, has
// looked at in this process.
func (p *Publisher) Status() []Status { return p.board.list() }

// Ready returns why relying parties do not get all the CRLs that they need: the publisher has not looked
// yet, a series has none or let it lapse, or the store cannot be read. It is nil while all is well; a
// failed attempt alone is no reason, because the CRL before it is still good.
func (p *Publisher) Ready() error {
	all := p.board.list()
	now := time.Now()
	var faults []error
	for _, i := range p.ca.Issuers() {
		if !p.wants(&i) || !i.Certificate.NotAfter.After(now) {
			continue
		}
		if !slices.ContainsFunc(all, func(s Status) bool { return s.Issuer == i.Name }) {
			faults = append(faults, errors.Join(fmt.Errorf("crl: issuer %q was not looked at yet", i.Name), p.board.trouble(i.Name)))
		}
		for _, s := range all {
			if s.Issuer == i.Name && !s.NextUpdate.After(now) {
				faults = append(faults, errors.Join(fmt.Errorf("crl: there is no current CRL of %s", describe(s.CRLScope)), s.Err))
			}
		}
	}
	return errors.Join(faults...)
}

func describe(s authority.CRLScope) string {
	d := fmt.Sprintf("issuer %q", s.Issuer)
	if s.Shard > 0 {
		d += fmt.Sprintf(", shard %d", s.Shard)
	}
	if s.Delta {
		d += ", delta"
	}
	return d
}
