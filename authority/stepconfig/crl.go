package stepconfig

import (
	"net/url"
	"time"
)

// CRL is the crl section of ca.json, and what chancery.json adds to it. The zero value publishes none. The
// durations are 0 where nothing was said; the program that publishes CRLs has defaults for them.
type CRL struct {
	Enabled  bool
	Validity time.Duration // cacheDuration
	Interval time.Duration // renewPeriod

	// Scheduled makes CRLs on schedule only. Otherwise they follow revocations; only a generateOnRevoke that
	// says false is understood as asking for less.
	Scheduled bool

	Delta         bool          // chancery.json's revocation.delta
	DeltaValidity time.Duration // revocation.deltaValidity
}

// leastCRL is the shortest life of a CRL that relying parties can keep up with.
const leastCRL = time.Minute

func (f *File) readCRL(s *section) {
	c := CRL{Enabled: s.boolean("enabled")}
	if s.take("generateOnRevoke") != nil {
		c.Scheduled = !s.boolean("generateOnRevoke")
	}
	validity, interval := s.duration("cacheDuration"), s.duration("renewPeriod")
	set(&c.Validity, validity)
	set(&c.Interval, interval)
	if validity != nil && c.Validity != 0 && c.Validity < leastCRL {
		s.faults.add(s.at("cacheDuration"), "must be at least %s", leastCRL)
	}
	if until := orDay(c.Validity); c.Interval >= until {
		s.faults.add(s.at("renewPeriod"), "must be less than cacheDuration, %s, or CRLs lapse", until)
	}
	if f.idpURL = s.url("idpURL"); f.idpURL != "" && c.Enabled {
		f.warn("crl.idpURL: no issuingDistributionPoint is written into a CRL that lists everything, which is good at any URL; certificates name this one if chancery.json has revocation.pointers")
	}
	if !c.Enabled {
		c = CRL{} // the rest says how, if it were
	}
	f.CRL = c
	s.close()
}

func orDay(d time.Duration) time.Duration {
	if d == 0 {
		return 24 * time.Hour
	}
	return d
}

// url returns an absolute URL for HTTP.
func (s *section) url(key string) string {
	v := s.str(key)
	if v != "" && !isURL(v) {
		s.faults.add(s.at(key), "%.200q is not an absolute http or https URL", v)
	}
	return v
}

func (s *section) urls(key string) []string {
	all := s.strings(key)
	for _, v := range all {
		if !isURL(v) {
			s.faults.add(s.at(key), "%.200q is not an absolute http or https URL", v)
		}
	}
	return all
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Fragment == ""
}
