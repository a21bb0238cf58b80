package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// choice is an authority.Query on the command line.
type choice struct {
	authority.Query
}

const times = "`time`: a date, a date and time as in RFC 3339, or a duration such as 36h or 7d"

func (c *choice) flags(fs *flag.FlagSet, now time.Time) {
	fs.Func("serial", "its `serial`", func(s string) (err error) { c.Serial, err = authority.ParseSerial(s); return err })
	fs.StringVar(&c.Subject, "subject", "", "`who` asked, exactly")
	fs.StringVar(&c.Name, "name", "", "one of the `names` in it, exactly")
	fs.Func("key", "SHA-256 of its public `key`, in hex", func(s string) error {
		c.KeyID = strings.ToLower(strings.ReplaceAll(s, ":", ""))
		return nil
	})
	fs.StringVar(&c.Provisioner, "provisioner", "", "`name` of the provisioner")
	fs.StringVar(&c.Profile, "profile", "", "`name` of the profile")
	fs.StringVar(&c.Issuer, "issuer", "", "`name` of the issuer in the configuration")
	fs.StringVar(&c.Entity, "entity", "", "the inventory's `ID` of whom it is for")
	fs.Func("status", "`status`: reserved, issued or abandoned", c.status)
	fs.Func("revoked", "`true` or false: whether it is revoked", func(s string) error {
		v, err := strconv.ParseBool(s)
		c.Revoked = &v
		return err
	})
	when := func(name, usage string, t *time.Time, sign time.Duration) {
		fs.Func(name, usage+" this "+times, func(s string) (err error) { *t, err = moment(s, now, sign); return err })
	}
	when("issued-since", "came into being at or after", &c.KnownFrom, -1)
	when("issued-until", "came into being before", &c.KnownUntil, -1)
	when("starts-after", "becomes valid at or after", &c.NotBeforeFrom, 1)
	when("starts-before", "becomes valid before", &c.NotBeforeUntil, 1)
	when("expires-after", "ends at or after", &c.NotAfterFrom, 1)
	when("expires-before", "ends before", &c.NotAfterUntil, 1)
}

func (c *choice) status(s string) error {
	switch c.Status = authority.Status(s); c.Status {
	case authority.Reserved, authority.Issued, authority.Abandoned:
		return nil
	}
	return fmt.Errorf("there is no status %q", s)
}

// moment reads a time. A duration is counted from now, into the past if sign is negative.
func moment(s string, now time.Time, sign time.Duration) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 16); err == nil {
			return now.AddDate(0, 0, int(n)*int(sign)), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no date, time or duration", s)
	}
	return now.Add(sign * d), nil
}
