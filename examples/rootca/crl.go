package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/ceremony"
	"github.com/chancery-ca/chancery/kms"
)

func revoke(ctx context.Context, args []string, t *terminal) (err error) {
	f := newFlags("revoke", t)
	reason := f.Int("reason", 0, "why, by RFC 5280: 1 key compromise, 3 affiliation changed, 4 superseded, 5 cessation of operation")
	yes := f.Bool("yes", false, "do not ask")
	if err := f.parse(args, "SERIAL"); err != nil {
		return err
	}
	serial, err := authority.ParseSerial(f.Arg(0))
	if err != nil {
		return err
	}
	r, err := f.open(ctx, t, 0, year)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	record, err := r.ca.Certificate(ctx, serial)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "About to revoke %q, serial 0x%s, valid until %s, and with it everything below it.\n", record.Subject, serial, day(record.NotAfter))
	if !*yes {
		if err := t.confirm("Revoke it?"); err != nil {
			return err
		}
	}
	if _, err := r.ca.Revoke(ctx, &authority.RevokeRequest{Provisioner: ceremony.Provisioner, Serial: serial, Local: true, ReasonCode: *reason}); err != nil {
		return err
	}
	fmt.Fprintln(t.out, "Revoked. Publish a new CRL: rootca crl")
	return nil
}

func writeCRL(ctx context.Context, args []string, t *terminal) (err error) {
	f := newFlags("crl", t)
	days := f.Int("days", 180, "until the next one is due")
	out := f.String("out", "root.crl", "`file` for the CRL in DER, or in PEM if it ends so; replaced")
	if err := f.parse(args); err != nil {
		return err
	}
	if *days < 1 {
		return errors.New("a CRL needs a day at least")
	}
	r, err := f.open(ctx, t, 0, year)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	der, l, err := r.crl(ctx, time.Duration(*days)*24*time.Hour)
	if err != nil {
		return err
	}
	if strings.HasSuffix(*out, ".pem") {
		der = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	}
	if err := replace(*out, der); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "CRL number %s with %d certificates, until %s: %s\n", l.Number, len(l.RevokedCertificateEntries), day(l.NextUpdate), *out)
	return nil
}

// crl signs the list of everything that was revoked, or signed and never handed out, and has not ended.
func (r *root) crl(ctx context.Context, life time.Duration) ([]byte, *x509.RevocationList, error) {
	entries, err := r.revoked(ctx)
	if err != nil {
		return nil, nil, err
	}
	number, err := r.nextNumber()
	if err != nil {
		return nil, nil, err
	}
	algorithm, _, err := kms.SignatureAlgorithm(r.signer.Public())
	if err != nil {
		return nil, nil, err
	}
	now := time.Now().Truncate(time.Second)
	l := &x509.RevocationList{
		Number: number, ThisUpdate: now, NextUpdate: now.Add(life), RevokedCertificateEntries: entries, SignatureAlgorithm: algorithm,
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, r.cert, kms.ToCrypto(ctx, r.signer))
	if err != nil {
		return nil, nil, err
	}
	signed, err := x509.ParseRevocationList(der)
	if err == nil {
		err = signed.CheckSignatureFrom(r.cert)
	}
	return der, signed, err
}

func (r *root) revoked(ctx context.Context) ([]x509.RevocationListEntry, error) {
	var entries []x509.RevocationListEntry
	now := time.Now()
	q := authority.Query{NotAfterFrom: now}
	for {
		p, err := r.ca.Certificates(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, rec := range p.Records {
			e := x509.RevocationListEntry{SerialNumber: rec.Serial.Int(), RevocationTime: rec.ReservedAt}
			switch {
			case rec.Revocation != nil:
				e.RevocationTime, e.ReasonCode = rec.Revocation.RevokedAt, rec.Revocation.ReasonCode
			case rec.Status == authority.Issued:
				continue
			}
			entries = append(entries, e)
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			return entries, nil
		}
	}
}

// nextNumber takes a number that no CRL had before. It is on the disk before it is used.
func (r *root) nextNumber() (*big.Int, error) {
	path := filepath.Join(r.dir, numberFile)
	n := new(big.Int)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if _, ok := n.SetString(string(bytes.TrimSpace(b)), 10); !ok || n.Sign() < 0 {
			return nil, fmt.Errorf("%s does not hold the number of the last CRL", path)
		}
	}
	n.Add(n, big.NewInt(1))
	return n, replace(path, []byte(n.String()+"\n"))
}

// replace writes a file whole, or leaves the old one.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(slices.Clip(data))
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
