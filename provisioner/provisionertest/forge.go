package provisionertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A forgery is a token taken apart. Its parts are those of a good one until somebody changes them.
type forgery struct {
	header, claims map[string]any
	key, stranger  crypto.Signer
	algorithm      jose.SignatureAlgorithm
}

func (t *Tokens) open(token string) *forgery {
	head, _, _ := strings.Cut(token, ".")
	return &forgery{header: object(head), claims: claimsOf(token), key: t.Key, stranger: t.Stranger, algorithm: t.Algorithm}
}

func claimsOf(token string) map[string]any {
	_, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	return object(body)
}

func object(part string) map[string]any {
	b, err := base64.RawURLEncoding.DecodeString(part)
	m := make(map[string]any)
	if err == nil && json.Unmarshal(b, &m) != nil {
		return nil
	}
	return m
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// seal puts the parts together and signs them properly.
func (f *forgery) seal() string { return f.sealRaw(marshal(f.header), marshal(f.claims)) }

func (f *forgery) sealRaw(header, claims []byte) string {
	input := b64(header) + "." + b64(claims)
	return input + "." + b64(signature(f.key, f.algorithm, input))
}

var hashes = map[jose.SignatureAlgorithm]crypto.Hash{
	jose.ES256: crypto.SHA256, jose.ES384: crypto.SHA384, jose.ES512: crypto.SHA512,
	jose.RS256: crypto.SHA256, jose.RS384: crypto.SHA384, jose.RS512: crypto.SHA512,
	jose.PS256: crypto.SHA256, jose.PS384: crypto.SHA384, jose.PS512: crypto.SHA512,
}

func signature(key crypto.Signer, alg jose.SignatureAlgorithm, input string) []byte {
	h := hashes[alg]
	digest := []byte(input)
	var opts crypto.SignerOpts = h
	if h != 0 {
		w := h.New()
		w.Write(digest)
		digest = w.Sum(nil)
	}
	if strings.HasPrefix(string(alg), "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	}
	sig, err := key.Sign(rand.Reader, digest, opts)
	if err != nil {
		return nil
	}
	pub, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return sig
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sig, &rs); err != nil {
		return nil
	}
	n := (pub.Params().BitSize + 7) / 8
	return append(rs.R.FillBytes(make([]byte, n)), rs.S.FillBytes(make([]byte, n))...)
}

// twin makes the other valid spelling of an ECDSA signature, (r, n-s); nil for other keys.
func twin(pub crypto.PublicKey, sig []byte) []byte {
	k, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return nil
	}
	n := len(sig) / 2
	s := new(big.Int).Sub(k.Params().N, new(big.Int).SetBytes(sig[n:]))
	return append(append([]byte(nil), sig[:n]...), s.FillBytes(make([]byte, n))...)
}

// hmacs signs with what everybody knows, the public key, in the forms in which a careless verifier might
// have it at hand.
func (f *forgery) hmacs() []string {
	der, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		return nil
	}
	secrets := [][]byte{nil, der, marshal(jose.JSONWebKey{Key: f.key.Public()})}
	switch k := f.key.Public().(type) {
	case ed25519.PublicKey:
		secrets = append(secrets, k)
	case *ecdsa.PublicKey:
		if b, err := k.Bytes(); err == nil {
			secrets = append(secrets, b)
		}
	case *rsa.PublicKey:
		secrets = append(secrets, x509.MarshalPKCS1PublicKey(k), k.N.Bytes())
	}
	f.header["alg"] = "HS256"
	input := b64(marshal(f.header)) + "." + b64(marshal(f.claims))
	var out []string
	for _, s := range secrets {
		m := hmac.New(sha256.New, s)
		m.Write([]byte(input))
		out = append(out, input+"."+b64(m.Sum(nil)))
	}
	return out
}

// introductions are headers by which the stranger shows a key of its own.
func (f *forgery) introductions() []map[string]any {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stranger"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(240 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, f.stranger.Public(), f.stranger)
	if err != nil {
		return nil
	}
	own := base64.StdEncoding.EncodeToString(der)
	public := jose.JSONWebKey{Key: f.stranger.Public()}
	good, _ := f.header["x5c"].([]any)
	var out []map[string]any
	for k, v := range map[string][]any{
		"jwk": {public}, "jku": {"https://stranger.example"}, "kid": {"stranger"},
		"x5c": {[]any{own}, append([]any{own}, good...), append(slices.Clone(good), own)},
		// a chain that may have expired is for renewal only
		"x5cInsecure": {[]any{own}},
	} {
		for _, v := range v {
			h := maps.Clone(f.header)
			h[k] = v
			out = append(out, h)
		}
	}
	return out
}

// greedy makes CSRs that ask for what csr asks for, and for more.
func greedy(csr *x509.CertificateRequest) []*x509.CertificateRequest {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil
	}
	base := func() *x509.CertificateRequest {
		return &x509.CertificateRequest{
			Subject: csr.Subject, DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses,
			EmailAddresses: csr.EmailAddresses, URIs: csr.URIs,
		}
	}
	changes := []func(c *x509.CertificateRequest){
		func(c *x509.CertificateRequest) { c.Subject = pkix.Name{CommonName: "stranger.example"} },
		func(c *x509.CertificateRequest) { c.DNSNames = append([]string{"stranger.example"}, c.DNSNames...) },
		func(c *x509.CertificateRequest) { c.DNSNames = append([]string{"*"}, c.DNSNames...) },
		func(c *x509.CertificateRequest) { c.IPAddresses = append([]net.IP{{192, 0, 2, 99}}, c.IPAddresses...) },
		func(c *x509.CertificateRequest) {
			c.EmailAddresses = append([]string{"stranger@example.com"}, c.EmailAddresses...)
		},
		func(c *x509.CertificateRequest) {
			c.URIs = append([]*url.URL{{Scheme: "spiffe", Host: "stranger.example"}}, c.URIs...)
		},
	}
	var out []*x509.CertificateRequest
	for _, change := range changes {
		c := base()
		change(c)
		der, err := x509.CreateCertificateRequest(rand.Reader, c, key)
		if err != nil {
			continue
		}
		if parsed, err := x509.ParseCertificateRequest(der); err == nil {
			out = append(out, parsed)
		}
	}
	return out
}
