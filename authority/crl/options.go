package crl

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Options say what a [Publisher] makes, and when. The zero value is for most.
type Options struct {
	Issuers []string // names; empty means every issuer that is not retired

	Validity time.Duration // from making a CRL to its nextUpdate, in whole seconds; default 24h
	Interval time.Duration // from making a CRL to making the next; default two thirds of Validity

	// OnChange is how often changes are looked for, so that CRLs follow them. 0 means every second;
	// negative: never, CRLs are made on schedule and on demand.
	OnChange time.Duration

	// Delta makes delta CRLs for issuers whose pointers do not name any as well.
	Delta bool

	// DeltaValidity is the Validity of delta CRLs; default an eighth of Validity. Their interval is in
	// proportion.
	DeltaValidity time.Duration

	// ShardsOnly leaves out the complete CRL of issuers that have shards. Only the complete one lists
	// certificates that were issued before there were shards.
	ShardsOnly bool

	// Backdate is how long before its making a CRL's thisUpdate is, for relying parties whose clocks are
	// slow.
	Backdate time.Duration

	// MaxAge is how long HTTP caches may keep a CRL before they ask again; default 5 minutes. It is cut
	// to the time until the next one is due.
	MaxAge time.Duration

	Logger *slog.Logger // nil discards
}

func (o *Options) complete() error {
	var faults []error
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	set(&o.Validity, 24*time.Hour)
	o.Validity = o.Validity.Truncate(time.Second)
	set(&o.Interval, o.Validity/3*2)
	set(&o.DeltaValidity, max(o.Validity/8, time.Minute))
	o.DeltaValidity = o.DeltaValidity.Truncate(time.Second)
	set(&o.OnChange, time.Second)
	set(&o.MaxAge, 5*time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Validity < time.Minute || o.DeltaValidity < time.Minute || o.DeltaValidity > o.Validity {
		faults = append(faults, fmt.Errorf("crl: validities of %v and %v (delta) are not at least a minute, the second not longer than the first", o.Validity, o.DeltaValidity))
	}
	if o.Interval <= 0 || o.Interval >= o.Validity {
		faults = append(faults, fmt.Errorf("crl: an interval of %v lets CRLs of %v lapse", o.Interval, o.Validity))
	}
	if o.Backdate < 0 || o.MaxAge < 0 {
		faults = append(faults, errors.New("crl: Backdate and MaxAge cannot be negative"))
	}
	return errors.Join(faults...)
}

// validity returns how long CRLs of a kind are good.
func (o *Options) validity(delta bool) time.Duration {
	if delta {
		return o.DeltaValidity
	}
	return o.Validity
}

// interval returns how long after its making a CRL is due to be replaced.
func (o *Options) interval(delta bool) time.Duration {
	if delta {
		return o.share(o.DeltaValidity)
	}
	return o.Interval
}

func (o *Options) share(life time.Duration) time.Duration {
	return time.Duration(float64(life) * (float64(o.Interval) / float64(o.Validity)))
}

// due returns when a CRL is to be replaced. One that was made to live shorter than today's is due in
// proportion.
func (o *Options) due(c *authority.CRL) time.Time {
	made := c.ThisUpdate.Add(o.Backdate)
	return made.Add(min(o.interval(c.Delta), max(0, o.share(c.NextUpdate.Sub(made)))))
}
