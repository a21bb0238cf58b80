package ocsp

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// certStatus is what there is to say about a certificate: a CertStatus (RFC 6960, section 4.2.1). It is
// comparable: equal values are encoded alike.
type certStatus struct {
	kind   statusKind
	reason int   // of a revoked one
	at     int64 // of a revoked one, in seconds since 1970
}

// statusKind is the tag of a CertStatus.
type statusKind uint8

const (
	good statusKind = iota
	revoked
	unknown
)

// single is a SingleResponse, but for the times, which all in an answer share.
type single struct {
	id     string // the DER of the CertID
	status certStatus
}

// responseData is a ResponseData of version 1.
type responseData struct {
	responder                          [20]byte // SHA-1 of the responder's public key
	producedAt, thisUpdate, nextUpdate time.Time
	singles                            []single
	nonce                              []byte // nil: none
}

func (d *responseData) marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 256))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tag2, func(b *cryptobyte.Builder) { b.AddASN1OctetString(d.responder[:]) })
		addTime(b, d.producedAt)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, s := range d.singles {
				d.addSingle(b, s)
			}
		})
		if d.nonce != nil {
			b.AddASN1(tag1, d.addNonce)
		}
	})
	return b.Bytes()
}

func (d *responseData) addSingle(b *cryptobyte.Builder, s single) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes([]byte(s.id))
		s.status.add(b)
		addTime(b, d.thisUpdate)
		b.AddASN1(tag0, func(b *cryptobyte.Builder) { addTime(b, d.nextUpdate) })
	})
}

func (s certStatus) add(b *cryptobyte.Builder) {
	if s.kind != revoked {
		b.AddASN1(cbasn1.Tag(s.kind).ContextSpecific(), func(*cryptobyte.Builder) {})
		return
	}
	b.AddASN1(tag1, func(b *cryptobyte.Builder) {
		addTime(b, time.Unix(s.at, 0))
		if s.reason != 0 { // RFC 5280, section 5.3.1: unspecified is said by leaving it out
			b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.reason)) })
		}
	})
}

// addNonce adds the extensions, of which the client's nonce is the only one.
func (d *responseData) addNonce(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidNonce)
			b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(d.nonce) })
		})
	})
}

// marshalResponse makes the OCSPResponse of a signed ResponseData. algorithm is the DER of an
// AlgorithmIdentifier; certificate is the responder's, and nil if it is the issuer, whom clients know.
func marshalResponse(data, algorithm, signature, certificate []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(data)+len(signature)+len(certificate)+128))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0) // successful
		b.AddASN1(tag0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidBasic)
				b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(data)
						b.AddBytes(algorithm)
						b.AddASN1BitString(signature)
						if certificate != nil {
							b.AddASN1(tag0, func(b *cryptobyte.Builder) {
								b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(certificate) })
							})
						}
					})
				})
			})
		})
	})
	return b.Bytes()
}

// addTime adds a GeneralizedTime in UTC, to the second. Years beyond what it can say are an error.
func addTime(b *cryptobyte.Builder, t time.Time) { b.AddASN1GeneralizedTime(t.UTC()) }
