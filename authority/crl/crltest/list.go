package crltest

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"time"
)

// list is a CRL as somebody got it who relies on it, read with another codec than it was written with.
type list struct {
	*x509.RevocationList
	err      error // why there is none, or nobody may use it
	entries  Entries
	base     *big.Int // of a delta
	idp      *issuingDistributionPoint
	scope    []byte // DER of idp
	freshest []string
	applied  map[string]Entries // with a delta, by its URL
	by       map[string]error   // whether the holder of a certificate signed it
}

// Extensions of CRLs (RFC 5280, section 5.2).
var (
	oidDelta             = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidFreshest          = asn1.ObjectIdentifier{2, 5, 29, 46}
)

type (
	issuingDistributionPoint struct {
		Point    pointName      `asn1:"optional,tag:0"`
		User     bool           `asn1:"optional,tag:1"`
		CA       bool           `asn1:"optional,tag:2"`
		Reasons  asn1.BitString `asn1:"optional,tag:3"`
		Indirect bool           `asn1:"optional,tag:4"`
		Attrs    bool           `asn1:"optional,tag:5"`
	}
	point struct {
		Point   pointName      `asn1:"optional,tag:0"`
		Reasons asn1.BitString `asn1:"optional,tag:1"`
		Issuer  asn1.RawValue  `asn1:"optional,tag:2"`
	}
	pointName struct {
		FullName []asn1.RawValue  `asn1:"optional,tag:0"`
		Relative pkix.RDNSequence `asn1:"optional,tag:1"`
	}
)

func (n pointName) urls() (out []string) {
	for _, v := range n.FullName {
		if v.Class == asn1.ClassContextSpecific && v.Tag == 6 {
			out = append(out, string(v.Bytes))
		}
	}
	return out
}

// fetch gets a CRL from a handler. What is wrong with it is in its err.
func fetch(ctx context.Context, h http.Handler, url string) *list {
	l := &list{by: map[string]error{}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		l.err = err
		return l
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		l.err = fmt.Errorf("status %d", w.Code)
		return l
	}
	if l.RevocationList, l.err = x509.ParseRevocationList(w.Body.Bytes()); l.err == nil {
		l.entries = EntriesOf(l.RevocationList)
		l.err = l.read()
	}
	return l
}

// read reads the extensions, and refuses what a relying party would not understand.
func (l *list) read() error {
	for _, e := range l.Extensions {
		var err error
		switch {
		case e.Id.Equal(oidDelta):
			err = exactly(e.Value, &l.base)
		case e.Id.Equal(oidDistributionPoint):
			l.idp, l.scope = &issuingDistributionPoint{}, e.Value
			err = exactly(e.Value, l.idp)
		case e.Id.Equal(oidFreshest):
			var points []point
			err = exactly(e.Value, &points)
			for _, p := range points {
				l.freshest = append(l.freshest, p.Point.urls()...)
			}
		case e.Critical:
			err = errors.New("is critical and not known")
		}
		if err != nil {
			return fmt.Errorf("extension %s: %w", e.Id, err)
		}
	}
	switch i := l.idp; {
	case l.Number == nil:
		return errors.New("it has no number")
	case len(l.entries) != len(l.RevokedCertificateEntries):
		return errors.New("it lists a serial twice")
	case i != nil && (i.User || i.CA || i.Indirect || i.Attrs || i.Reasons.BitLength > 0):
		return errors.New("it is not about all certificates and reasons of its scope")
	}
	return nil
}

func exactly(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing bytes")
	}
	return err
}

// judge says why a CRL is not to be relied on for a certificate of an issuer, which names it at a distribution
// point, or names none.
func (l *list) judge(issuer *x509.Certificate, at string, now time.Time) error {
	if l.err != nil {
		return l.err
	}
	if l.base != nil {
		return errors.New("it is a delta")
	}
	if l.idp != nil {
		if err := contains(l.idp.Point.urls(), at); err != nil {
			return err
		}
	}
	return errors.Join(l.of(issuer), l.current(now))
}

// of says why a CRL is not an issuer's own.
func (l *list) of(issuer *x509.Certificate) error {
	if l.err != nil {
		return l.err
	}
	if !bytes.Equal(l.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("it is of another issuer: %s", l.Issuer)
	}
	err, known := l.by[string(issuer.Raw)]
	if !known {
		err = l.CheckSignatureFrom(issuer)
		l.by[string(issuer.Raw)] = err
	}
	return err
}

func (l *list) current(now time.Time) error {
	if l.err != nil {
		return l.err
	}
	if now.Before(l.ThisUpdate) || !now.Before(l.NextUpdate) {
		return fmt.Errorf("it is good from %v to %v, and now is %v", l.ThisUpdate, l.NextUpdate, now)
	}
	return nil
}

// unsigned makes a certificate of what was recorded to be signed, with a signature of nothing.
func unsigned(tbs []byte) []byte {
	var outer, algorithm asn1.RawValue
	var version int
	var serial *big.Int
	_, err := asn1.Unmarshal(tbs, &outer)
	in := outer.Bytes
	for _, f := range []struct {
		v          any
		parameters string
	}{{&version, "explicit,default:0,optional,tag:0"}, {&serial, ""}, {&algorithm, ""}} {
		if err == nil {
			in, err = asn1.UnmarshalWithParams(in, f.v, f.parameters)
		}
	}
	if err != nil {
		return nil // parses as little
	}
	der, err := asn1.Marshal([]asn1.RawValue{{FullBytes: tbs}, {FullBytes: algorithm.FullBytes}, {Class: asn1.ClassUniversal, Tag: asn1.TagBitString, Bytes: []byte{0}}})
	if err != nil {
		return nil
	}
	return der
}
