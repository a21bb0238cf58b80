package ocsp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// answer is a signed OCSPResponse. It is never changed.
type answer struct {
	der                                []byte
	status                             certStatus // of the certificate, if it is one
	producedAt, thisUpdate, nextUpdate time.Time  // producedAt is not rounded
	staleAt                            time.Time  // when it is signed anew
	shared                             bool       // it may be given to others who ask the same

	etag, expires, lastModified string // for HTTP, where it is shared
}

// respond answers the DER of a request. Every error is told to the client as [statusOf] has it.
func (r *Responder) respond(ctx context.Context, der []byte) (*answer, error) {
	q := parseRequest(der)
	if q == nil {
		return nil, MalformedRequest
	}
	if r.o.IgnoreNonces {
		q.nonce = nil
	}
	x := r.look()
	var i *issuer
	for _, c := range q.certs {
		if i = x.find(c.issuer); i != nil {
			break
		}
	}
	if i == nil {
		return nil, Unauthorized
	}
	if len(q.certs) == 1 && q.nonce == nil {
		return r.one(ctx, i, q.certs[0], false)
	}
	now := time.Now()
	d := &responseData{nonce: q.nonce}
	shared := q.nonce == nil
	for _, c := range q.certs {
		st := certStatus{kind: unknown}
		if x.find(c.issuer) == i {
			var err error
			if st, err = r.standing(ctx, i, c.serial); err != nil {
				return nil, err
			}
		}
		shared = shared && st.kind != unknown
		d.singles = append(d.singles, single{c.raw, st})
	}
	s, err := r.signerOf(ctx, i)
	if err != nil {
		return nil, err
	}
	return r.sign(ctx, i, s, now, d, shared, true)
}

// one answers about one certificate, with what was signed before if that says what is true now.
func (r *Responder) one(ctx context.Context, i *issuer, id certID, ahead bool) (*answer, error) {
	now := time.Now()
	st, err := r.standing(ctx, i, id.serial)
	kept := (*answer)(nil)
	if !ahead {
		kept = r.cache.get(id, now)
	}
	if err != nil {
		if kept != nil && r.o.ServeThroughOutage && now.Before(kept.nextUpdate) {
			return kept, nil
		}
		return nil, err
	}
	if kept != nil && kept.status == st && now.Before(kept.staleAt) {
		return kept, nil
	}
	fresh, err := r.fresh(ctx, i, id, st, now, ahead)
	// What was just looked up and is still in its time needs no new signature to be true.
	if err != nil && kept != nil && kept.status == st && now.Before(kept.nextUpdate) {
		return kept, nil
	}
	return fresh, err
}

// fresh signs an answer and keeps it.
func (r *Responder) fresh(ctx context.Context, i *issuer, id certID, st certStatus, now time.Time, ahead bool) (*answer, error) {
	s, err := r.signerOf(ctx, i) // each by itself: who gets a new responder certificate holds nobody up
	if err != nil {
		return nil, err
	}
	return r.once(ctx, flightKey{id.raw, st}, func(ctx context.Context) (*answer, error) {
		known := st.kind != unknown
		a, err := r.sign(ctx, i, s, now, &responseData{singles: []single{{id.raw, st}}}, known, !known || ahead)
		if err == nil && known {
			r.cache.put(id, i, a, ahead)
		}
		return a, err
	})
}

// standing looks up what there is to say about a serial.
func (r *Responder) standing(ctx context.Context, i *issuer, serial authority.Serial) (certStatus, error) {
	if serial == "" {
		return certStatus{kind: unknown}, nil
	}
	for _, m := range i.members {
		s, err := r.ask(ctx, m.Name, serial)
		switch {
		case err != nil:
			return certStatus{}, err
		case s.Revocation != nil:
			return certStatus{revoked, s.Revocation.ReasonCode, s.Revocation.RevokedAt.Unix()}, nil
		case s.Known:
			return certStatus{kind: good}, nil
		}
	}
	return certStatus{kind: unknown}, nil
}

// lookPatience is how long a look-up waits for its turn.
const lookPatience = time.Second

// ask asks the store. Issuing reads from it, too, so that only a few may do it here at the same time: whoever
// sends questions must not be able to take all of the store's connections.
func (r *Responder) ask(ctx context.Context, issuer string, serial authority.Serial) (authority.Standing, error) {
	wait, cancel := context.WithTimeout(ctx, lookPatience)
	err := r.lookups.enter(wait)
	cancel()
	if err != nil {
		return authority.Standing{}, err
	}
	defer r.lookups.leave()
	began := time.Now()
	s, err := r.a.Standing(ctx, issuer, serial)
	r.faults.note(ctx, "looking up certificates", issuer, began, err)
	return s, err
}

// sign makes an answer of d, whose statuses were looked up at the moment now or later. shared says that it may
// be given to others, private that signing it serves one client only.
func (r *Responder) sign(ctx context.Context, i *issuer, s *signer, now time.Time, d *responseData, shared, private bool) (*answer, error) {
	leave, err := r.gate.enter(ctx, private)
	if err != nil {
		return nil, err
	}
	defer leave()
	a := &answer{producedAt: time.Now(), thisUpdate: now.Add(-r.o.Backdate), nextUpdate: now.Add(r.o.Validity - r.o.Backdate), shared: shared}
	for _, c := range d.singles {
		// A revocation is not known before it happened, whatever the clock of the node it happened on says.
		if at := time.Unix(c.status.at, 0); c.status.kind == revoked && at.After(a.thisUpdate) && !at.After(now) {
			a.thisUpdate = at
		}
	}
	if s.notAfter.Before(a.nextUpdate) {
		a.nextUpdate = s.notAfter
	}
	a.thisUpdate, a.nextUpdate = a.thisUpdate.UTC().Truncate(time.Second), a.nextUpdate.UTC().Truncate(time.Second)
	a.staleAt = now.Add(a.nextUpdate.Sub(now) / 2)
	d.responder, d.producedAt, d.thisUpdate, d.nextUpdate = s.id, a.producedAt, a.thisUpdate, a.nextUpdate
	data, err := d.marshal()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	signature, algorithm, err := s.sign(ctx, data)
	r.faults.note(ctx, "signing responses", i.signer.Name, began, err)
	if err != nil {
		return nil, err
	}
	if a.der, err = marshalResponse(data, algorithm, signature, s.certificate); err != nil {
		return nil, err
	}
	a.status = d.singles[0].status
	if shared {
		sum := sha256.Sum256(a.der)
		a.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
		a.expires, a.lastModified = a.nextUpdate.Format(http.TimeFormat), a.producedAt.UTC().Format(http.TimeFormat)
	}
	return a, nil
}

// flightKey is an answer that is about to be signed.
type flightKey struct {
	id     string
	status certStatus
}

type flight struct {
	done   chan struct{}
	answer *answer
	err    error
}

// once makes one of all who need the same answer sign it, while the others wait. It does not end with the
// request that came first.
func (r *Responder) once(ctx context.Context, k flightKey, do func(context.Context) (*answer, error)) (*answer, error) {
	r.mu.Lock()
	if f := r.flight[k]; f != nil {
		r.mu.Unlock()
		select {
		case <-f.done:
			return f.answer, f.err
		case <-ctx.Done():
			return nil, TryLater
		}
	}
	f := &flight{done: make(chan struct{}), err: InternalError}
	r.flight[k] = f
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.flight, k)
		r.mu.Unlock()
		close(f.done)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.o.Timeout)
	defer cancel()
	f.answer, f.err = do(ctx)
	return f.answer, f.err
}
