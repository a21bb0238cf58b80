package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

// draft is a certificate that has been decided on and not signed. Only the two ways of preparing one make
// it, and it can be redeemed once.
type draft struct {
	snapshot  *snapshot
	watch     Observation
	product   product
	record    *Record
	spend     provisioner.Spend
	truncated time.Time
	used      atomic.Bool
}

// product is what becomes of a draft: a certificate of some kind.
type product interface {
	// sign is step 7. The context is the caller's.
	sign(ctx context.Context, tbs []byte) (signature []byte, err error)

	// compare is step 8: the signature is the issuer's, and it is on the recorded bytes. It returns the
	// whole certificate.
	compare(tbs, signature []byte) ([]byte, error)

	// subject is who the certificate is for, as it says itself; called after compare.
	subject() string
}

// x509Product is an X.509 certificate.
type x509Product struct {
	issuer *issuer
	leaf   *x509.Certificate
}

func (p *x509Product) sign(ctx context.Context, tbs []byte) ([]byte, error) {
	return p.issuer.sign(ctx, tbs)
}

func (p *x509Product) subject() string { return p.leaf.Subject.String() }

func (p *x509Product) compare(tbs, signature []byte) ([]byte, error) {
	i := p.issuer
	if err := i.cert.CheckSignature(i.algorithm, tbs, signature); err != nil {
		return nil, err
	}
	der, err := assemble(tbs, signature)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(leaf.RawTBSCertificate, tbs) || !bytes.Equal(leaf.Signature, signature) {
		return nil, errors.New("authority: bytes differ")
	}
	p.leaf = leaf
	return leaf.Raw, nil
}

// certificate returns what became of a draft of an X.509 certificate that was redeemed.
func (d *draft) certificate() *Certificate {
	p := d.product.(*x509Product)
	chain := append([]*x509.Certificate{p.leaf}, p.issuer.chain...)
	return &Certificate{Leaf: p.leaf, Chain: chain, Record: d.record, Truncated: !d.truncated.IsZero()}
}

// patience is how long a signer may take. settling bounds what is done about a certificate after its
// signature, when the caller may be gone. Together they are well below reconcileGrace.
const (
	patience = time.Minute
	settling = 15 * time.Second
)

// redeem is steps 6 to 10.
func (a *Authority) redeem(ctx context.Context, d *draft) *Error {
	if d.used.Swap(true) {
		return refuse(Internal, StepReserve, "redeemed", "a draft is signed once")
	}
	r := d.record
	r.ReservedAt = time.Now()
	err := a.store.Reserve(ctx, r, d.spend)
	d.watch.Step(StepReserve, r.ReservedAt)
	if err != nil {
		a.abandon(ctx, d, true, err)
		return fault(StepReserve, "recording "+string(r.Serial), err)
	}
	signing, cancel := context.WithTimeout(ctx, patience)
	began := time.Now()
	signature, err := d.product.sign(signing, r.TBS)
	d.watch.Step(StepSign, began)
	cancel()
	if err != nil {
		a.abandon(ctx, d, true, nil)
		return &Error{Kind: Unavailable, Step: StepSign, Code: "signer", Reason: "the signing key is not available", Err: err}
	}
	began = time.Now()
	whole, err := d.product.compare(r.TBS, signature)
	d.watch.Step(StepCompare, began)
	if err != nil {
		a.abandon(ctx, d, false, nil)
		return &Error{Kind: Internal, Step: StepCompare, Code: "drift", Reason: "what was signed is not what was recorded", Err: err}
	}
	return a.commit(ctx, d, whole)
}

// commit is steps 9 and 10. The certificate exists now, so the caller's going away no longer matters.
func (a *Authority) commit(ctx context.Context, d *draft, whole []byte) *Error {
	r := d.record
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	r.DER, r.IssuedAt = whole, time.Now()
	posts := d.events(a)
	err := a.store.Commit(ctx, r.Serial, r.DER, r.IssuedAt, posts)
	d.watch.Step(StepCommit, r.IssuedAt)
	if err != nil && !a.committed(ctx, d) {
		return fault(StepCommit, "committing "+string(r.Serial), err)
	}
	r.Status = Issued
	a.publish(ctx, d.snapshot, posts...)
	return nil
}

// insisting is how long to wait before each time that a store which fails is asked what became of a commit.
var insisting = [...]time.Duration{0, 5, 10, 20, 50, 100, 200, 400} // milliseconds

// committed finds out whether a commit that the store reported as failed took effect all the same, and
// sees to it that otherwise it never will: a reservation that is abandoned cannot be committed any more.
func (a *Authority) committed(ctx context.Context, d *draft) bool {
	for _, wait := range insisting {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait * time.Millisecond):
		}
		if got, err := a.store.Certificate(ctx, d.record.Serial); err == nil && got.Status != Reserved {
			return got.Status == Issued && bytes.Equal(got.DER, d.record.DER)
		}
		if a.abandon(ctx, d, false, nil) == nil {
			return false
		}
	}
	return false
}

// abandon ends a reservation. With cause, it was Reserve that failed: if that can have taken effect, it
// is undone. What cannot be abandoned now is reconciled later. It returns the store's error.
func (a *Authority) abandon(ctx context.Context, d *draft, release bool, cause error) error {
	if cause != nil && !isRetryable(cause) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	var posts []Post
	if !release {
		posts = a.abandoned(d.snapshot, d.record)
	}
	err := a.store.Abandon(ctx, d.record.Serial, release, time.Now(), posts)
	switch {
	case err == nil:
		a.publish(ctx, d.snapshot, posts...)
	case cause == nil && !errors.Is(err, ErrState):
		d.snapshot.log().ErrorContext(ctx, "reservation not abandoned", "serial", d.record.Serial, "error", err)
	}
	return err
}

var issuedTypes = map[provisioner.Operation]event.Type{
	provisioner.X509Sign:  event.CertificateIssued,
	provisioner.X509Renew: event.CertificateRenewed,
	provisioner.X509Rekey: event.CertificateRekeyed,
	provisioner.SSHSign:   event.CertificateIssued,
	provisioner.SSHRenew:  event.CertificateRenewed,
	provisioner.SSHRekey:  event.CertificateRekeyed,
}

// events are what a commit has to say.
func (d *draft) events(a *Authority) []Post {
	r := d.record
	data := certificateData(r, d.product.subject())
	sum := sha256.Sum256(r.DER)
	data.Fingerprint = hex.EncodeToString(sum[:])
	posts := []Post{a.post(d.snapshot, issuedTypes[r.Operation], string(r.Serial), data)}
	if !d.truncated.IsZero() {
		posts = append(posts, a.post(d.snapshot, event.ValidityTruncated, string(r.Serial), event.Truncation{
			Serial: string(r.Serial), Issuer: r.Issuer, Requested: d.truncated, NotAfter: r.NotAfter,
		}))
	}
	return posts
}

func (a *Authority) abandoned(s *snapshot, r *Record) []Post {
	return []Post{a.post(s, event.IssuanceAbandoned, string(r.Serial), certificateData(r, r.Subject))}
}

func certificateData(r *Record, subject string) event.Certificate {
	return event.Certificate{
		Serial: string(r.Serial), Issuer: r.Issuer, Subject: subject, Names: r.Names, NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		Key: r.KeyID, Provisioner: r.Provisioner, Profile: r.Profile, Entity: r.Entity, Previous: string(r.Previous), RequestID: r.RequestID,
	}
}
