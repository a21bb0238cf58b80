package authority

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca"
)

// shown returns the certificate that a token carries, once it is known to be one of ours and in good
// standing, with its record; nil for one that another program issued with one of our keys. That the token
// was made with the certificate's key is for the provisioner to find out.
func (a *Authority) shown(ctx context.Context, s *snapshot, token string) (*ssh.Certificate, *Record, *Error) {
	c, err := shownIn(token)
	if err != nil {
		return nil, nil, err
	}
	r, err := a.knownSSH(ctx, s, c)
	return c, r, err
}

// shownIn reads the certificate in a token's header (step's sshpop).
func shownIn(token string) (*ssh.Certificate, *Error) {
	m, err := jws.Parse(token)
	if err != nil {
		return nil, refusedBy(jws.Refusal(err))
	}
	if m.Header.SSHPOP == "" {
		return nil, refuse(Unauthenticated, StepAuthenticate, "no-certificate", "the token shows no certificate")
	}
	wire, err := base64.StdEncoding.Strict().DecodeString(m.Header.SSHPOP)
	if err != nil {
		return nil, refuse(Unauthenticated, StepAuthenticate, "certificate", "the token's certificate cannot be read")
	}
	c, err := sshca.Parse(wire)
	if err != nil {
		return nil, refuse(Unauthenticated, StepAuthenticate, "certificate", "the token's certificate cannot be read")
	}
	return c, nil
}

// knownSSH returns the record of an SSH certificate of ours that is in good standing.
func (a *Authority) knownSSH(ctx context.Context, s *snapshot, c *ssh.Certificate) (*Record, *Error) {
	foreign := func() (*Record, *Error) {
		return nil, refuse(Unauthenticated, StepAuthenticate, "foreign", "the certificate is not one of ours")
	}
	if s.sshSignerOf(c) == nil {
		return foreign()
	}
	r, err := a.store.Certificate(ctx, sshSerial(c.Serial))
	switch {
	case errors.Is(err, ErrNotFound):
		if end := time.Unix(int64(min(c.ValidBefore, 1<<62)), 0); time.Now().After(end) { // its revocation may have been pruned
			return nil, refuse(Unauthenticated, StepAuthenticate, "expired", "certificate expired on %s", end.UTC().Format(time.RFC3339))
		}
		return nil, nil
	case err != nil:
		return nil, fault(StepAuthenticate, "looking up the certificate", err)
	case !r.IsSSH():
		return foreign()
	case r.Status == Abandoned:
		return nil, refuse(Unauthenticated, StepAuthenticate, "abandoned", "the certificate was never handed out")
	case r.Status != Issued || !bytes.Equal(r.DER, c.Marshal()):
		return nil, refuse(Unauthenticated, StepAuthenticate, "foreign", "the certificate is not the one we issued under that serial")
	case r.Revocation != nil:
		return r, refuse(Unauthenticated, StepAuthenticate, "revoked", "the certificate is revoked")
	}
	return r, nil
}

// IsSSH reports whether r is of an SSH certificate. Then TBS is what its signature covers, DER its wire
// form, Subject its key id, Names are its principals, and KeyID is the SHA-256 of the key's wire form.
func (r *Record) IsSSH() bool { return isSSH(r.Operation) }

func isSSH(op provisioner.Operation) bool { return strings.HasPrefix(string(op), "ssh/") }

// SSHCertificate parses r.DER of an SSH certificate.
func (r *Record) SSHCertificate() (*ssh.Certificate, error) { return sshca.Parse(r.DER) }

// sshSerial is the serial of an SSH certificate.
func sshSerial(n uint64) Serial { return Serial(strconv.FormatUint(n, 16)) }

// SSHSerialOf returns the serial of an SSH certificate.
func SSHSerialOf(c *ssh.Certificate) Serial { return sshSerial(c.Serial) }

// SSHSerial returns the number of an SSH certificate's serial; false for what is none.
func (s Serial) SSHSerial() (uint64, bool) {
	n, err := strconv.ParseUint(string(s), 16, 64)
	return n, err == nil && n > 0 && sshSerial(n) == s
}

// newSSHSerial returns a serial that nobody can guess. 64 bits have no room for a time in front, as the
// serials of X.509 have it, without serials that repeat: so they are random, but for the first bit, which
// makes them as long as each other.
func newSSHSerial() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return binary.BigEndian.Uint64(b[:]) | 1<<63
}

// sshRecordOf makes the record of a certificate that another program issued with the key of i.
func sshRecordOf(i *sshIssuer, c *ssh.Certificate) *Record {
	begin := time.Unix(int64(c.ValidAfter), 0)
	return &Record{
		Serial: sshSerial(c.Serial), Status: Issued, Operation: provisioner.SSHSign, Issuer: i.Name, TBS: sshca.Unsigned(c), DER: c.Marshal(),
		NotBefore: begin, NotAfter: time.Unix(int64(min(c.ValidBefore, 253402300799)), 0), Subject: asText(c.KeyId), Names: c.ValidPrincipals,
		KeyID: sshKeyID(c.Key), ReservedAt: time.Now(), IssuedAt: begin,
	}
}
