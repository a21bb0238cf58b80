package stepconfig

import (
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// claims is a claims section: of the authority, or of one provisioner. nil says nothing.
type claims struct {
	min, max, def *time.Duration
	noRenewal     *bool
	afterExpiry   *bool
	noMark        *bool
}

func readClaims(s *section) claims {
	// SSH claims do nothing without an ssh section, in step-ca too; with one there is a warning already.
	s.ignore("minUserSSHCertDuration", "maxUserSSHCertDuration", "defaultUserSSHCertDuration",
		"minHostSSHCertDuration", "maxHostSSHCertDuration", "defaultHostSSHCertDuration", "enableSSHCA")
	c := claims{
		min: s.duration("minTLSCertDuration"), max: s.duration("maxTLSCertDuration"), def: s.duration("defaultTLSCertDuration"),
		noRenewal: s.flag("disableRenewal"), afterExpiry: s.flag("allowRenewalAfterExpiry"), noMark: s.flag("disableSmallstepExtensions"),
	}
	for key, d := range map[string]*time.Duration{"minTLSCertDuration": c.min, "maxTLSCertDuration": c.max, "defaultTLSCertDuration": c.def} {
		if d != nil && *d == 0 {
			s.faults.add(s.at(key), "must be more than zero")
		}
	}
	s.close()
	return c
}

// limits are claims with nothing left open.
type limits struct {
	min, max, def                  time.Duration
	noRenewal, afterExpiry, noMark bool
}

// global is what step-ca starts from.
var global = limits{min: 5 * time.Minute, max: 24 * time.Hour, def: 24 * time.Hour}

// under fills what c leaves open from the level above, and checks the outcome. A default by itself
// stretches the bounds of the level above to hold it; said together, the three must agree.
func (c claims) under(up limits, s *section) limits {
	l := up
	if c.def != nil {
		l.def = *c.def
		l.min, l.max = min(up.min, l.def), max(up.max, l.def)
	}
	set(&l.min, c.min)
	set(&l.max, c.max)
	set(&l.noRenewal, c.noRenewal)
	set(&l.afterExpiry, c.afterExpiry)
	set(&l.noMark, c.noMark)
	switch {
	case l.min > l.max:
		s.faults.add(s.node, "the shortest duration, %s, is more than the longest, %s", l.min, l.max)
	case l.def < l.min:
		s.faults.add(s.node, "the default duration, %s, is less than the shortest, %s", l.def, l.min)
	case l.def > l.max:
		s.faults.add(s.node, "the default duration, %s, is more than the longest, %s; set defaultTLSCertDuration too", l.def, l.max)
	}
	return l
}

func set[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

func (l limits) validity(backdate time.Duration) authority.Validity {
	return authority.Validity{Min: l.min, Default: l.def, Max: l.max, Backdate: backdate}
}

func (l limits) renewal() provisioner.Renewal {
	return provisioner.Renewal{Disabled: l.noRenewal, AfterExpiry: l.afterExpiry}
}
