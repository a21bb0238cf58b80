package stepconfig

import (
	"strconv"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// upkeep is what chancery.json says about records and notices. The zero value is package authority's.
type upkeep struct {
	expiry                []time.Duration
	issuer                time.Duration
	certificates, events  time.Duration
	signAudienceMayRevoke bool
}

func (f *File) readUpkeep(s *section) {
	f.upkeep.signAudienceMayRevoke = s.boolean("signAudienceMayRevoke")
	n := s.section("notices")
	for _, e := range n.list("certificates") {
		v, _ := e.value.(string)
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			n.faults.add(e, `must be a duration such as "72h"`)
			continue
		}
		f.upkeep.expiry = append(f.upkeep.expiry, d)
	}
	f.upkeep.issuer = n.positive("issuers")
	n.close()
	r := s.section("retention")
	f.upkeep.certificates, f.upkeep.events = r.positive("certificates"), r.positive("events")
	r.close()
}

func (u *upkeep) apply(c *authority.Config) {
	c.ExpiryNotices, c.IssuerNotice = u.expiry, u.issuer
	c.Retention, c.EventRetention = u.certificates, u.events
	c.AcceptSignAudienceForRevoke = u.signAudienceMayRevoke
}

// positive returns 0 when the member is absent, and refuses a 0 that is there: it would mean the default.
func (s *section) positive(key string) time.Duration {
	d := s.duration(key)
	if d == nil {
		return 0
	}
	if *d == 0 {
		s.faults.add(s.at(key), "must be more than zero")
	}
	return *d
}

// count returns a whole number up to a limit; 0 when the member is absent.
func (s *section) count(key string, limit int) int {
	if s.take(key) == nil {
		return 0
	}
	v := s.number(key)
	if n := int(v); v >= 0 && v <= float64(limit) && float64(n) == v {
		return n
	}
	s.faults.add(s.at(key), "must be a whole number up to %s", strconv.Itoa(limit))
	return 0
}
