package crl

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Extensions of a CRL (RFC 5280, section 5.2).
var (
	oidAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidNumber            = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidDelta             = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidFreshest          = asn1.ObjectIdentifier{2, 5, 29, 46}
)

// extensions is what a CRL says about itself.
type extensions struct {
	keyID        []byte // the issuer's
	number       int64
	delta        bool
	base         int64  // of a delta
	distribution []byte // DER of the IssuingDistributionPoint of a shard; nil for the complete CRL
	freshest     []string
}

// der returns the content of the SEQUENCE.
func (e *extensions) der() ([]byte, error) {
	var b cryptobyte.Builder
	add(&b, oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(e.keyID) })
		})
	})
	add(&b, oidNumber, false, func(b *cryptobyte.Builder) { b.AddASN1Int64(e.number) })
	if e.delta {
		add(&b, oidDelta, true, func(b *cryptobyte.Builder) { b.AddASN1Int64(e.base) })
	}
	if e.distribution != nil {
		add(&b, oidDistributionPoint, true, func(b *cryptobyte.Builder) { b.AddBytes(e.distribution) })
	}
	if len(e.freshest) > 0 && !e.delta { // section 5.2.6: must not be in a delta
		add(&b, oidFreshest, false, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, u := range e.freshest {
					addPoint(b, u)
				}
			})
		})
	}
	return b.Bytes()
}

func add(b *cryptobyte.Builder, id asn1.ObjectIdentifier, critical bool, value func(*cryptobyte.Builder)) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}

// distributionPoint returns the DER of an IssuingDistributionPoint whose scope is a shard: the URLs alone.
func distributionPoint(urls []string) ([]byte, error) {
	var b cryptobyte.Builder
	addPoint(&b, urls...)
	return b.Bytes()
}

// addPoint adds a SEQUENCE that begins with a distributionPoint, in which the names are ones of the same.
func addPoint(b *cryptobyte.Builder, urls ...string) {
	zero := cbasn1.Tag(0).ContextSpecific().Constructed()
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(zero, func(b *cryptobyte.Builder) {
			b.AddASN1(zero, func(b *cryptobyte.Builder) { // fullName
				for _, u := range urls {
					for i := range len(u) {
						if u[i] >= 0x80 {
							b.SetError(fmt.Errorf("crl: URL %q is not ASCII", u))
							return
						}
					}
					b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(u)) })
				}
			})
		})
	})
}
