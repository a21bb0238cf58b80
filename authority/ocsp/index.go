package ocsp

import (
	"bytes"
	"crypto/fips140"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/chancery-ca/chancery/authority"
)

// index finds issuers by what certIDs say of them. It is never changed.
type index struct {
	infos  []authority.IssuerInfo // that it was made of
	issuer map[issuerID]*issuer
}

// issuer is a name together with a key, which is all that a certID tells of an issuer. Several entries of the
// configuration may share both, where a CA certificate was renewed: certificates of any of them are asked for
// with the same certIDs.
type issuer struct {
	id        issuerID // by SHA-256
	members   []authority.IssuerInfo
	responder [20]byte // SHA-1 of the key
	signer    authority.IssuerInfo
	delegate  *delegate // nil: signs by itself
}

// look returns the index of the issuers that the authority has now.
func (r *Responder) look() *index {
	infos := r.a.Issuers()
	if x := r.index.Load(); x != nil && x.of(infos) {
		return x
	}
	r.rebuild.Lock()
	defer r.rebuild.Unlock()
	old := r.index.Load()
	if old != nil && old.of(infos) {
		return old
	}
	x := newIndex(infos, old)
	r.index.Store(x)
	return x
}

// of reports whether x was made of these.
func (x *index) of(infos []authority.IssuerInfo) bool {
	return slices.EqualFunc(x.infos, infos, func(a, b authority.IssuerInfo) bool {
		return a.Name == b.Name && a.State == b.State && a.Certificate == b.Certificate
	})
}

func newIndex(infos []authority.IssuerInfo, old *index) *index {
	x := &index{infos: infos, issuer: map[issuerID]*issuer{}}
	for _, info := range infos {
		bits := keyBits(info.Certificate)
		name1, key1 := sumSHA1(info.Certificate.RawSubject), sumSHA1(bits)
		name256, key256 := sha256.Sum256(info.Certificate.RawSubject), sha256.Sum256(bits)
		id := newIssuerID(hashSHA256, name256[:], key256[:])
		i := x.issuer[id]
		if i == nil {
			i = &issuer{id: id, responder: key1, signer: authority.IssuerInfo{State: authority.Retired}}
			x.issuer[id], x.issuer[newIssuerID(hashSHA1, name1[:], key1[:])] = i, i
		}
		i.members = append(i.members, info)
		if rank(info.State) > rank(i.signer.State) {
			i.signer = info
		}
	}
	for id, i := range x.issuer {
		if i.signer.State != authority.Active || id != i.id {
			continue
		}
		i.delegate = &delegate{}
		// A responder certificate outlives a change of the configuration, as long as its issuer does.
		if old != nil && old.issuer[id] != nil && old.issuer[id].delegate != nil && old.issuer[id].signer.Name == i.signer.Name {
			i.delegate = old.issuer[id].delegate
		}
	}
	return x
}

// rank says which of several issuers of the same name and key signs.
func rank(s authority.State) int {
	switch s {
	case authority.Active:
		return 3
	case authority.Retiring:
		return 2
	case authority.Pending:
		return 1
	}
	return 0
}

// find returns the issuer of a certID, and nil if none is here that may sign.
func (x *index) find(id issuerID) *issuer {
	i := x.issuer[id]
	if i == nil || i.signer.State == authority.Retired {
		return nil
	}
	return i
}

// issuerOf returns the issuer of a certificate, and nil if it is not one of ours.
func (x *index) issuerOf(c *x509.Certificate) *issuer {
	for _, info := range x.infos {
		if bytes.Equal(info.Certificate.RawSubject, c.RawIssuer) &&
			info.Certificate.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
			return x.find(sha256ID(info.Certificate))
		}
	}
	return nil
}

func sha256ID(c *x509.Certificate) issuerID {
	name, key := sha256.Sum256(c.RawSubject), sha256.Sum256(keyBits(c))
	return newIssuerID(hashSHA256, name[:], key[:])
}

// keyBits returns what is hashed of a public key: its BIT STRING without tag, length and unused bits (RFC
// 6960, section 4.1.1).
func keyBits(c *x509.Certificate) []byte {
	in := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil // cannot be: the certificate was parsed
	}
	return bits
}

// sumSHA1 hashes for names, where RFC 6960 and clients leave no choice, also in a program that otherwise keeps
// to FIPS 140. Nothing is trusted for such a hash.
func sumSHA1(b []byte) (sum [sha1.Size]byte) {
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(b) })
	return sum
}
