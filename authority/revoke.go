package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

// Revoke ends a certificate for whoever may: a token of the provisioner that issued it, made out to its
// serial; the holder of its key; this program itself. With [ReasonCertificateHold] the end is not final:
// [Authority.Release] undoes it, and another revocation takes its place. Its errors are *Error: a
// certificate that is revoked already is a [Conflict], a serial without record [NotFound].
func (a *Authority) Revoke(ctx context.Context, r *RevokeRequest) (*Revocation, error) {
	s, err := a.begin()
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, refuse(BadRequest, StepAuthenticate, "no-request", "there is no request")
	}
	if r.Operation == "" {
		c := *r
		c.Operation = provisioner.X509Revoke
		r = &c
	}
	ctx, watch := s.observe(ctx, r.Operation)
	o := Outcome{Provisioner: r.Provisioner, Err: errPanic}
	defer func() { watch.End(o) }()
	v, record, e := a.revoke(ctx, s, r, watch)
	if o.Err = e; record != nil {
		o.Provisioner, o.Issuer = record.Provisioner, record.Issuer
	}
	if e == nil {
		return v, nil
	}
	d := event.Refusal{
		Operation: string(r.Operation), Step: string(e.Step), Kind: string(e.Kind), Code: e.Code, Reason: e.Reason,
		Provisioner: r.Provisioner, Serial: string(r.Serial), RequestID: r.RequestID,
	}
	a.tellRefusal(ctx, s, e, a.post(s, event.RequestRefused, string(r.Serial), d))
	return nil, e
}

func (a *Authority) revoke(ctx context.Context, s *snapshot, r *RevokeRequest, watch Observation) (*Revocation, *Record, *Error) {
	if err := checkReason(r.ReasonCode); err != nil {
		return nil, nil, err
	}
	if r.Serial.Int() == nil {
		return nil, nil, refuse(BadRequest, StepAuthenticate, "serial", "there is no serial")
	}
	began := time.Now()
	w, err := a.revoker(ctx, s, r)
	watch.Step(StepAuthenticate, began)
	if err != nil {
		return nil, nil, err
	}
	began = time.Now()
	record, missing, err := a.revocable(ctx, s, r, w)
	watch.Step(StepDecide, began)
	if err != nil {
		return nil, nil, err
	}
	p, grant := w.provisioner, w.grant
	v := &Revocation{Serial: r.Serial, ReasonCode: r.ReasonCode, Reason: r.Reason, RevokedAt: time.Now()}
	var spend provisioner.Spend
	switch {
	case p != nil:
		v.Provisioner, v.By, spend = p.Name(), grant.Subject, grant.Spend
		if w.ssh == nil && record.Provisioner != p.Name() && !s.Bindings[p.Name()].RevokeAny {
			return nil, record, refuse(Denied, StepDecide, "owner", "the certificate is not one of provisioner %q", p.Name())
		}
	case r.Local:
		v.By = r.By
	}
	return v, record, a.end(ctx, s, v, record, missing, spend, r.RequestID, watch)
}

// checkReason refuses codes that no revocation can have.
func checkReason(code int) *Error {
	if code < 0 || code > 10 || code == 7 || code == ReasonRemoveFromCRL {
		return refuse(BadRequest, StepAuthenticate, "reason", "reason code %d cannot be given for a revocation", code)
	}
	return nil
}

// end writes a revocation that was allowed, and tells of it.
func (a *Authority) end(ctx context.Context, s *snapshot, v *Revocation, record, missing *Record, spend provisioner.Spend, requestID string, watch Observation) *Error {
	v.Reason, v.By = asText(v.Reason), asText(v.By)
	posts := []Post{a.post(s, event.CertificateRevoked, string(v.Serial), revocationData(v, record, requestID))}
	began := time.Now()
	err := a.store.Revoke(ctx, v, missing, spend, posts)
	watch.Step(StepCommit, began)
	if err != nil {
		return fault(StepCommit, "the certificate is not revoked", err)
	}
	a.publish(ctx, s, posts...)
	return nil
}

func revocationData(v *Revocation, r *Record, requestID string) event.Revocation {
	return event.Revocation{
		Serial: string(v.Serial), Issuer: r.Issuer, Subject: r.Subject, ReasonCode: v.ReasonCode, Reason: v.Reason,
		RevokedAt: v.RevokedAt, Provisioner: v.Provisioner, By: v.By, RequestID: requestID,
	}
}

// revoker is who asks for a revocation, as step 1 of it finds out.
type revoker struct {
	// provisioner is nil when the certificate's own key speaks for a certificate whose provisioner is gone,
	// and when this program itself asks.
	provisioner provisioner.Provisioner
	grant       *provisioner.Grant
	ssh         *ssh.Certificate // what the token was made with, and is to be revoked; nil for others
}

func (a *Authority) revoker(ctx context.Context, s *snapshot, r *RevokeRequest) (w revoker, err *Error) {
	q := &provisioner.Request{
		Operation: r.Operation, Token: r.Token, Audiences: s.audiences[r.Operation], Roots: s.fingerprints,
		Serial: string(r.Serial), Certificate: r.Certificate, Proof: r.Proof, Local: r.Local,
	}
	switch {
	case r.Operation == provisioner.SSHRevoke && s.Config.SSH == nil:
		err = refuse(Unsupported, StepAuthenticate, "ssh", "this authority issues no SSH certificates")
	case r.Operation == provisioner.SSHRevoke && r.Certificate != nil:
		err = refuse(BadRequest, StepAuthenticate, "certificate", "an X.509 certificate revokes no SSH certificate")
	case r.Operation != provisioner.SSHRevoke && r.Operation != provisioner.X509Revoke:
		err = refuse(BadRequest, StepAuthenticate, "operation", "operation %q does not revoke", r.Operation)
	case r.Token != "":
		if w.provisioner, err = s.judgeOf(&Request{Provisioner: r.Provisioner, Token: r.Token}); err == nil && r.Operation == provisioner.SSHRevoke {
			w.ssh, err = a.showing(ctx, s, r)
			q.SSH = &provisioner.SSHRequest{Certificate: w.ssh}
		}
	case r.Certificate != nil && r.Proof != provisioner.NoProof:
		var known *Record
		if known, err = a.provenToHold(ctx, s, r); err != nil {
			return w, err
		}
		if w.provisioner, err = s.provisionerOf(r.Certificate, known); err != nil {
			return w, nil // nobody is left to judge; whoever holds the key may end it
		}
	case r.Local && r.Provisioner == "":
		return w, nil
	case r.Local:
		w.provisioner, err = s.judgeOf(&Request{Provisioner: r.Provisioner})
	default:
		err = refuse(BadRequest, StepAuthenticate, "no-credential", "there is neither a token nor a client certificate")
	}
	if err != nil {
		return w, err
	}
	g, aerr := w.provisioner.Authorize(ctx, q)
	if aerr != nil {
		return w, refusedBy(aerr)
	}
	if w.grant = g; g == nil {
		return w, refuse(Internal, StepAuthenticate, "no-grant", "provisioner %q said neither yes nor no", w.provisioner.Name())
	}
	return w, nil
}

// provenToHold returns the record of the certificate whose key speaks for its own end, or nil.
func (a *Authority) provenToHold(ctx context.Context, s *snapshot, r *RevokeRequest) (*Record, *Error) {
	if SerialOf(r.Certificate.SerialNumber) != r.Serial {
		return nil, refuse(Denied, StepAuthenticate, "serial", "the client certificate is not the one to be revoked")
	}
	known, err := a.known(ctx, s, r.Certificate)
	if err != nil && err.Code == "revoked" {
		known, err = a.onHold(ctx, r)
	}
	if err != nil && err.Step == "" {
		err.Step = StepAuthenticate
	}
	return known, err
}

// showing returns the SSH certificate that a token for its own end was made with, or nil for a token of
// another kind.
func (a *Authority) showing(ctx context.Context, s *snapshot, r *RevokeRequest) (*ssh.Certificate, *Error) {
	c, err := shownIn(r.Token)
	if err != nil {
		if err.Code == "no-certificate" {
			err = nil
		}
		return nil, err
	}
	if sshSerial(c.Serial) != r.Serial {
		return nil, refuse(Denied, StepAuthenticate, "serial", "the token's certificate is not the one to be revoked")
	}
	known, err := a.knownSSH(ctx, s, c)
	if err != nil && err.Code == "revoked" {
		if !known.Revocation.Hold() || r.ReasonCode == ReasonCertificateHold {
			return nil, refuse(Conflict, StepAuthenticate, "revoked", "the certificate is revoked already")
		}
		err = nil
	}
	return c, err
}

// onHold returns the record of a certificate whose holder wants more than the hold that it is on.
func (a *Authority) onHold(ctx context.Context, r *RevokeRequest) (*Record, *Error) {
	got, err := a.store.Certificate(ctx, r.Serial)
	switch {
	case err != nil:
		return nil, fault(StepAuthenticate, "looking up the certificate", err)
	case got.Status != Issued || !bytes.Equal(got.DER, r.Certificate.Raw):
		return nil, refuse(Unauthenticated, StepAuthenticate, "foreign", "the certificate is not the one we issued under that serial")
	case !got.Revocation.Hold() || r.ReasonCode == ReasonCertificateHold:
		return nil, refuse(Conflict, StepAuthenticate, "revoked", "the certificate is revoked already")
	}
	return got, nil
}

// revocable finds the record to revoke. For a certificate in hand that another program issued under one
// of our issuers, missing is the record to be made of it.
func (a *Authority) revocable(ctx context.Context, s *snapshot, r *RevokeRequest, w revoker) (record, missing *Record, err *Error) {
	got, gerr := a.store.Certificate(ctx, r.Serial)
	switch {
	case gerr == nil && (!s.owns(got) || got.IsSSH() != isSSH(r.Operation) && w.provisioner != nil):
		return nil, nil, refuse(NotFound, StepDecide, "serial", "there is no certificate with serial %s", r.Serial.Decimal())
	case gerr == nil && got.Revocation != nil && (!got.Revocation.Hold() || r.ReasonCode == ReasonCertificateHold):
		return nil, nil, refuse(Conflict, StepDecide, "revoked", "the certificate is revoked already")
	case gerr == nil:
		return got, nil, nil
	case !errors.Is(gerr, ErrNotFound):
		return nil, nil, fault(StepDecide, "looking up the certificate", gerr)
	case w.ssh != nil:
		m := sshRecordOf(s.sshSignerOf(w.ssh), w.ssh)
		return m, m, nil
	case r.Certificate == nil:
		return nil, nil, refuse(NotFound, StepDecide, "serial", "there is no certificate with serial %s", r.Serial.Decimal())
	}
	i := s.signerOf(r.Certificate)
	if i == nil {
		return nil, nil, refuse(Denied, StepDecide, "foreign", "the certificate is not one of ours")
	}
	m := recordOf(i, r.Certificate)
	m.Shard = i.Pointers.shardIn(r.Certificate)
	return m, m, nil
}

// recordOf makes the record of a certificate that another program issued.
func recordOf(i *issuer, c *x509.Certificate) *Record {
	key := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	name, _, _ := provisioner.MarkOf(c)
	return &Record{
		Serial: SerialOf(c.SerialNumber), Status: Issued, Operation: provisioner.X509Sign, Issuer: i.Name, TBS: c.RawTBSCertificate, DER: c.Raw,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Subject: c.Subject.CommonName, Names: provisioner.NamesOf(c).Strings(),
		KeyID: hex.EncodeToString(key[:]), Provisioner: name, ReservedAt: time.Now(), IssuedAt: c.NotBefore,
	}
}
