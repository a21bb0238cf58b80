package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

func show(ctx context.Context, c *command, args []string) (err error) {
	bare := c.Bool("bare", false, "leave out the certificate itself")
	args, err = c.parse(args, 1)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return errors.New("say one serial: decimal, or hex behind 0x")
	}
	serial, err := authority.ParseSerial(args[0])
	if err != nil {
		return err
	}
	store, err := c.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	r, err := store.Certificate(ctx, serial)
	if errors.Is(err, authority.ErrNotFound) {
		return fmt.Errorf("there is no certificate with serial 0x%s", serial)
	}
	if err != nil {
		return err
	}
	if err := describe(c.stdout, r, time.Now()); err != nil || *bare || len(r.DER) == 0 {
		return err
	}
	_, err = c.stdout.Write(r.Text())
	return err
}

// describe writes all that is known of a certificate, but for its bytes.
func describe(w io.Writer, r *authority.Record, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("Serial", "0x"+string(r.Serial)+" ("+r.Serial.Decimal()+")")
	row("Status", status(r, now))
	if v := r.Revocation; v != nil {
		row("  Since", when(v.RevokedAt, now))
		row("  By", plain(v.By))
		row("  Through", plain(v.Provisioner))
		row("  Because", plain(v.Reason))
	}
	row("Subject", plain(r.Subject))
	for i, n := range r.Names {
		name := ""
		if i == 0 {
			name = "Names"
		}
		row(name, plain(n))
	}
	row("Valid from", when(r.NotBefore, now))
	row("Valid until", when(r.NotAfter, now))
	row("Key", r.KeyID)
	row("Issuer", plain(r.Issuer))
	if r.Shard > 0 {
		row("CRL shard", fmt.Sprint(r.Shard))
	}
	row("Provisioner", plain(r.Provisioner))
	row("Profile", plain(r.Profile))
	row("Operation", plain(string(r.Operation)))
	row("Entity", plain(r.Entity))
	for _, i := range r.Identifiers {
		row("Identifier", plain(i.Kind)+" "+plain(i.Value))
	}
	if r.Previous != "" {
		row("Replaces", "0x"+string(r.Previous))
	}
	row("Request", plain(r.RequestID))
	row("Reserved", when(r.ReservedAt, now))
	if !r.IssuedAt.IsZero() {
		row("Issued", when(r.IssuedAt, now))
	}
	fmt.Fprintln(t)
	return t.Flush()
}
