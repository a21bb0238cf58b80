package authority

import (
	"context"
	"errors"
	"time"
)

// readying is how long one check of [Authority.Ready] may take. A store or signer that needs longer would
// make requests wait as long.
const readying = 3 * time.Second

// readyText is what Ready has signed. Even where the text itself is signed (Ed25519) it is no DER, so no
// certificate, CRL or OCSP response can have its signature.
const readyText = "chancery/authority: is the signing key at hand? this signature authorises nothing"

// errNotValidNow says that a chain has ended, or has yet to begin.
var errNotValidNow = errors.New("a certificate of the chain is not valid now")

// Ready tells whether a certificate could be issued now: the authority is not closed, its store takes a
// write and answers, no mandatory sink is behind, and each active issuer has a chain that is valid and a
// key that signs. nil means yes. Otherwise it returns *Errors of kind [Unavailable], joined, one for each
// thing that is missing; their Codes are "closed", "store", "sinks", "chain" and "signer".
//
// It costs a write and a signature of each active issuer, so callers that others can reach should keep
// the answer for some seconds, as httpapi.Ready does. Each check has three seconds at most.
func (a *Authority) Ready(ctx context.Context) error {
	s, err := a.begin()
	if err != nil {
		return err
	}
	var missing []error
	check := func(code, reason string, do func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, readying)
		defer cancel()
		if err := do(ctx); err != nil {
			missing = append(missing, &Error{Kind: Unavailable, Code: code, Reason: reason, Err: err})
		}
	}
	check("store", "the store does not work", func(ctx context.Context) error { return a.writable(ctx, "ready/"+s.Name) })
	check("sinks", "a mandatory sink is behind", func(ctx context.Context) error {
		if err := a.behind(ctx, s); err != nil {
			return err
		}
		return nil
	})
	for _, i := range s.issuers {
		if i.State == Active {
			check("chain", "issuer "+i.Name+" cannot issue", func(context.Context) error { return i.current(time.Now()) })
			check("signer", "issuer "+i.Name+" cannot sign", i.works)
		}
	}
	for _, i := range s.sshIssuers {
		if i.State == Active {
			check("signer", "SSH issuer "+i.Name+" cannot sign", i.works)
		}
	}
	return errors.Join(missing...)
}

// writable makes the store write something down and read it.
func (a *Authority) writable(ctx context.Context, name string) error {
	if err := a.store.SetMark(ctx, name, time.Now()); err != nil {
		return err
	}
	at, err := a.store.Mark(ctx, name)
	if err == nil && at.IsZero() {
		err = errors.New("what was written is not there")
	}
	return err
}

// current tells whether the whole chain is valid at a moment.
func (i *issuer) current(now time.Time) error {
	for _, c := range i.Chain {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return errNotValidNow
		}
	}
	return nil
}

// works has the issuer sign something that means nothing, and believes the certificate's key only.
func (i *issuer) works(ctx context.Context) error {
	signature, err := i.sign(ctx, []byte(readyText))
	if err != nil {
		return err
	}
	return i.cert.CheckSignature(i.algorithm, []byte(readyText), signature)
}
