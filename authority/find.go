package authority

import (
	"context"
	"crypto/x509"
)

// Find returns the certificate that was issued with that request id for a key, which is its KeyID in the record. It is
// for those who ended between asking and hearing the answer. A reservation that is not settled yet is [Unavailable], one
// that was abandoned a [Conflict], and none at all [NotFound].
func (a *Authority) Find(ctx context.Context, keyID, requestID string) (*Certificate, error) {
	q := Query{KeyID: keyID, NewestFirst: true}
	none := refuse(NotFound, "", "not-found", "there is no such certificate")
	for {
		page, err := a.Certificates(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			if r.RequestID != requestID {
				continue
			}
			switch r.Status {
			case Issued:
				return a.again(r)
			case Reserved:
				return nil, refuse(Unavailable, "", "unsettled", "the certificate may be being issued")
			default:
				none = refuse(Conflict, "", "abandoned", "the certificate was not issued")
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil, none
		}
	}
}

// Chains returns the certificate of a record in the chains by which it can be verified, the issuer's own first: several
// while roots are exchanged. Without roots; each begins with the certificate itself.
func (a *Authority) Chains(r *Record) ([][]*x509.Certificate, error) {
	leaf, err := r.Certificate()
	if err != nil {
		return nil, &Error{Kind: Internal, Code: "record", Reason: "the record's certificate cannot be read", Err: err}
	}
	s := a.snapshot.Load()
	var out [][]*x509.Certificate
	for _, i := range s.issuersOf(leaf) {
		chain := append([]*x509.Certificate{leaf}, i.chain...)
		if i.Name == r.Issuer {
			out = append([][]*x509.Certificate{chain}, out...)
		} else {
			out = append(out, chain)
		}
	}
	if len(out) == 0 {
		return nil, refuse(NotFound, "", "issuer", "the certificate's issuer is gone")
	}
	return out, nil
}

func (a *Authority) again(r *Record) (*Certificate, error) {
	chains, err := a.Chains(r)
	if err != nil {
		return nil, err
	}
	return &Certificate{Leaf: chains[0][0], Chain: chains[0], Record: r}, nil
}
