package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/chancery-ca/chancery/authority"
)

// flushEvery is how many rows are lined up with each other, so that a long table needs little memory.
const flushEvery = 500

// table writes records for people. more says that the records were cut off.
func table(w io.Writer, records iter.Seq2[*authority.Record, error], now time.Time) (more bool, err error) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	const header = "SERIAL\tSUBJECT\tNAMES\tPROVISIONER\tEXPIRES\tSTATUS"
	fmt.Fprintln(t, header)
	n := 0
	for r, err := range records {
		if errors.Is(err, errMore) {
			return true, t.Flush()
		}
		if err != nil {
			return false, errors.Join(t.Flush(), err)
		}
		if n++; n%flushEvery == 0 {
			if err := t.Flush(); err != nil {
				return false, err
			}
		}
		fmt.Fprintf(t, "0x%s\t%s\t%s\t%s\t%s\t%s\n", r.Serial, plain(r.Subject), names(r.Names), plain(r.Provisioner), when(r.NotAfter, now), status(r, now))
	}
	return false, t.Flush()
}

// names lists the first of them: a table has to fit on a screen.
func names(all []string) string {
	const most = 3
	var out []string
	for _, n := range all[:min(len(all), most)] {
		out = append(out, plain(n))
	}
	s := strings.Join(out, ", ")
	if len(all) > most {
		s += fmt.Sprintf(", and %d more", len(all)-most)
	}
	return orDash(s)
}

// plain keeps a terminal from obeying what somebody put into a certificate.
func plain(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:77], "") + "..."
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.QuoteToASCII(s)
	}
	return orDash(s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// when is a moment, and how far away it is.
func when(t, now time.Time) string {
	d := t.Sub(now)
	far := "in " + span(d)
	if d < 0 {
		far = span(-d) + " ago"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC") + " (" + far + ")"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d < 2*365*24*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return strconv.Itoa(int(d/(365*24*time.Hour))) + "y"
}

// status says in a word or two whether a certificate is good.
func status(r *authority.Record, now time.Time) string {
	switch {
	case r.Revocation.Hold():
		return "on hold"
	case r.Revocation != nil:
		return "revoked: " + reasonName(r.Revocation.ReasonCode)
	case r.Status != authority.Issued:
		return string(r.Status)
	case !now.Before(r.NotAfter):
		return "expired"
	case now.Before(r.NotBefore):
		return "not yet valid"
	}
	return "valid"
}
