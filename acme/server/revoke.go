package server

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/envelope"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// revokeCert revokes a certificate for the account that ordered it, for one that has proved all of its names, and for
// whoever has its key (RFC 8555, section 7.6).
func (c *call) revokeCert() error {
	var q struct {
		Certificate string `json:"certificate"`
		Reason      *int   `json:"reason"`
	}
	if err := c.m.Decode(&q); err != nil {
		return err
	}
	der, err := base64.RawURLEncoding.Strict().DecodeString(q.Certificate)
	if err != nil {
		return problem(acme.Malformed, 0, "certificate is not base64url without padding")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil || cert.SerialNumber == nil || cert.SerialNumber.Sign() <= 0 {
		return problem(acme.Malformed, 0, "certificate is not one in DER")
	}
	reason := 0
	if q.Reason != nil {
		reason = *q.Reason
	}
	switch {
	case reason < 0, reason > 10, reason == 7, reason == authority.ReasonCertificateHold, reason == authority.ReasonRemoveFromCRL:
		return problem(acme.BadRevocationReason, 0, "reason %d cannot be given", reason)
	}
	if err := c.spend(); err != nil {
		return err
	}
	ctx := c.r.Context()
	serial := authority.SerialOf(cert.SerialNumber)
	record, err := c.ca.Certificate(ctx, serial)
	switch {
	case authority.KindOf(err) == authority.NotFound || err == nil && (record.Provisioner != c.s.c.Name || !bytes.Equal(record.DER, cert.Raw)):
		return problem(acme.Unauthorized, 0, "the certificate was not issued here")
	case err != nil:
		return err
	}
	by, err := c.mayRevoke(cert, serial)
	if err != nil {
		return err
	}
	_, err = c.ca.Revoke(ctx, &authority.RevokeRequest{
		Serial: serial, Certificate: nil, Local: true, By: by, ReasonCode: reason, Reason: "asked for over ACME",
	})
	if authority.KindOf(err) == authority.Conflict {
		return problem(acme.AlreadyRevoked, 0, "the certificate is revoked already")
	}
	if err != nil {
		return err
	}
	c.write(http.StatusOK, "", nil)
	return nil
}

// mayRevoke says who revokes, or returns a problem.
func (c *call) mayRevoke(cert *x509.Certificate, serial authority.Serial) (string, error) {
	ctx := c.r.Context()
	if c.account == nil {
		key, err := envelope.NewKey(cert.PublicKey)
		if err != nil || !key.Equal(c.m.Key) {
			return "", problem(acme.Unauthorized, 0, "the request was not signed with the certificate's key")
		}
		return "holder of the key", nil
	}
	by := "ACME account " + c.account.ID
	o, err := c.s.c.Store.OrderOf(ctx, c.s.c.Name, string(serial))
	if err == nil && o.Account == c.account.ID {
		return by, nil
	}
	if err != nil && !errors.Is(err, acme.ErrNotFound) {
		return "", err
	}
	if ids := identifiersIn(cert); len(ids) > 0 {
		all, err := c.s.c.Store.Holds(ctx, c.account.ID, ids, time.Now())
		if err != nil {
			return "", err
		}
		if all {
			return by + ", which has proved its names", nil
		}
	}
	return "", problem(acme.Unauthorized, 0, "the account did not order the certificate, and has not proved all of its names")
}

// identifiersIn are the names of a certificate as orders have them; nil if it has others.
func identifiersIn(cert *x509.Certificate) []acme.Identifier {
	n := provisioner.NamesOf(cert)
	if len(n.Emails)+len(n.URIs) > 0 {
		return nil
	}
	var ids []acme.Identifier
	for _, d := range n.DNS {
		ids = append(ids, acme.Identifier{Type: acme.DNS, Value: d})
	}
	for _, ip := range n.IPs {
		ids = append(ids, acme.Identifier{Type: acme.IP, Value: ip.String()})
	}
	return ids
}
