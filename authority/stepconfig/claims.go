package stepconfig

import (
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// claims is a claims section: of the authority, or of one provisioner. nil says nothing.
type claims struct {
	tls, user, host span
	noRenewal       *bool
	afterExpiry     *bool
	noMark          *bool
	ssh             *bool
}

// span is what a claims section says about the life of one kind of certificate.
type span struct {
	min, max, def *time.Duration
	defKey        string // the member that says the default
}

func readClaims(s *section) claims {
	c := claims{
		tls: readSpan(s, "TLS"), user: readSpan(s, "UserSSH"), host: readSpan(s, "HostSSH"),
		noRenewal: s.flag("disableRenewal"), afterExpiry: s.flag("allowRenewalAfterExpiry"),
		noMark: s.flag("disableSmallstepExtensions"), ssh: s.flag("enableSSHCA"),
	}
	s.close()
	return c
}

func readSpan(s *section, kind string) span {
	read := func(which string) *time.Duration {
		key := which + kind + "CertDuration"
		d := s.duration(key)
		if d != nil && *d == 0 {
			s.faults.add(s.at(key), "must be more than zero")
		}
		return d
	}
	return span{read("min"), read("max"), read("default"), "default" + kind + "CertDuration"}
}

// term is a span with nothing left open.
type term struct{ min, max, def time.Duration }

// limits are claims with nothing left open.
type limits struct {
	tls, user, host                term
	noRenewal, afterExpiry, noMark bool
	ssh                            bool
}

// global is what step-ca starts from.
var global = limits{
	tls:  term{min: 5 * time.Minute, max: 24 * time.Hour, def: 24 * time.Hour},
	user: term{min: 5 * time.Minute, max: 24 * time.Hour, def: 16 * time.Hour},
	host: term{min: 5 * time.Minute, max: 720 * time.Hour, def: 720 * time.Hour},
}

// under fills what c leaves open from the level above, and checks the outcome.
func (c claims) under(up limits, s *section) limits {
	l := up
	l.tls, l.user, l.host = c.tls.under(up.tls, s), c.user.under(up.user, s), c.host.under(up.host, s)
	set(&l.noRenewal, c.noRenewal)
	set(&l.afterExpiry, c.afterExpiry)
	set(&l.noMark, c.noMark)
	set(&l.ssh, c.ssh)
	return l
}

// under fills what is left open. A default by itself stretches the bounds of the level above to hold it;
// said together, the three must agree.
func (d span) under(up term, s *section) term {
	l := up
	if d.def != nil {
		l.def = *d.def
		l.min, l.max = min(up.min, l.def), max(up.max, l.def)
	}
	set(&l.min, d.min)
	set(&l.max, d.max)
	switch {
	case l.min > l.max:
		s.faults.add(s.node, "the shortest duration, %s, is more than the longest, %s", l.min, l.max)
	case l.def < l.min:
		s.faults.add(s.node, "the default duration, %s, is less than the shortest, %s", l.def, l.min)
	case l.def > l.max:
		s.faults.add(s.node, "the default duration, %s, is more than the longest, %s; set %s too", l.def, l.max, d.defKey)
	}
	return l
}

func set[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

func (l term) validity(backdate time.Duration) authority.Validity {
	return authority.Validity{Min: l.min, Default: l.def, Max: l.max, Backdate: backdate}
}

func (l limits) renewal() provisioner.Renewal {
	return provisioner.Renewal{Disabled: l.noRenewal, AfterExpiry: l.afterExpiry}
}
