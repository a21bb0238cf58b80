package challenge_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/acme/challenge"
)

// asked is a validation of a name in a world.
func asked(name string) *acme.Validation {
	return &acme.Validation{
		Identifier: acme.Identifier{Type: acme.DNS, Value: name}, Token: "dG9rZW4", KeyAuthorization: "dG9rZW4.thumbprint", Thumbprint: "thumbprint",
		AccountURL: "https://ca.test/acme/acme/account/1", Issuers: []string{"ca.test"},
	}
}

// Every validator does what is expected of validators.
func TestConformance(t *testing.T) {
	w := acmetest.NewWorld()
	r := troubled{w}
	c := challenge.Config{Resolver: r, Dial: w.Dial, AccountHashPrefixes: []string{"v1"}, PlainAccountURI: true}
	const secret = "what the other side said"
	stall := make(chan struct{})
	defer close(stall)
	w.HTTP("stuck.test", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stall }))
	w.TLS("stuck.test", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		<-stall
		return nil, nil
	}})
	in := func(name string, prepare func(t *testing.T)) func(*testing.T) *acme.Validation {
		return func(t *testing.T) *acme.Validation {
			prepare(t)
			return asked(name)
		}
	}
	txt := func(name string, values ...string) func(*testing.T) {
		return func(*testing.T) { w.TXT(name, values...) }
	}
	sum := sha256.Sum256([]byte(asked("").KeyAuthorization))
	digest := base64.RawURLEncoding.EncodeToString(sum[:])
	label := "_" + challenge.AccountLabel(asked("").AccountURL) + "._acme-challenge."
	for name, k := range map[string]acmetest.ValidatorCase{
		"http-01": {
			Good:   in("good.test", func(*testing.T) { w.Respond("good.test", "dG9rZW4", "dG9rZW4.thumbprint") }),
			Bad:    in("bad.test", func(*testing.T) { w.Respond("bad.test", "dG9rZW4", secret) }),
			Secret: secret,
		},
		"dns-01": {
			Good: in("good.test", txt("_acme-challenge.good.test", "other", digest)), Bad: in("bad.test", txt("_acme-challenge.bad.test", secret)), Secret: secret,
		},
		"dns-account-01": {
			Good: in("good.test", txt(label+"good.test", digest)), Bad: in("bad.test", txt(label+"bad.test", secret)), Secret: secret,
		},
		"dns-persist-01": {
			Good:   in("good.test", txt("_validation-persist.good.test", "ca.test; accounturi=https://ca.test/acme/acme/account/1")),
			Bad:    in("bad.test", txt("_validation-persist.bad.test", "ca.test; accounturi=https://ca.test/acme/acme/account/2; "+secret)),
			Secret: secret,
		},
		"tls-alpn-01": {
			Good: in("good.test", func(t *testing.T) { w.TLS("good.test", proof(t, "good.test", sum[:])) }),
			Bad:  in("bad.test", func(t *testing.T) { w.TLS("bad.test", proof(t, "bad.test", make([]byte, 32))) }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			switch acme.ChallengeType(name) {
			case acme.HTTP01:
				k.Validator, err = challenge.NewHTTP01(c)
			case acme.DNS01:
				k.Validator, err = challenge.NewDNS01(c)
			case acme.DNSAccount01:
				k.Validator, err = challenge.NewDNSAccount01(c)
			case acme.DNSPersist01:
				k.Validator, err = challenge.NewDNSPersist01(c)
			case acme.TLSALPN01:
				k.Validator, err = challenge.NewTLSALPN01(c)
			}
			require.NoError(t, err)
			k.Stuck = func(*testing.T) *acme.Validation { return asked("stuck.test") }
			k.Fault = func(*testing.T) *acme.Validation { return asked("fault.test") }
			acmetest.Validator(t, k)
			plain := k.Validator
			t.Run("with CAA", func(t *testing.T) {
				k.Validator = challenge.WithCAA(plain, r)
				acmetest.Validator(t, k)
			})
			t.Run("quorum", func(t *testing.T) {
				k.Validator, err = challenge.NewQuorum(1, plain, plain, plain)
				require.NoError(t, err)
				acmetest.Validator(t, k)
			})
		})
	}
}

// troubled is a resolver that finds what there is in a world, never answers about stuck.test's records, and cannot ask
// about fault.test.
type troubled struct{ *acmetest.World }

func (r troubled) LookupAddrs(ctx context.Context, name string) ([]netip.Addr, error) {
	if name == "fault.test" {
		return nil, challenge.ErrUnsupported
	}
	return r.World.LookupAddrs(ctx, name)
}

func (r troubled) LookupTXT(ctx context.Context, name string) ([]string, error) {
	switch {
	case strings.HasSuffix(name, ".stuck.test"):
		<-ctx.Done()
		return nil, ctx.Err()
	case strings.HasSuffix(name, ".fault.test"):
		return nil, challenge.ErrUnsupported
	}
	return r.World.LookupTXT(ctx, name)
}

// proof is what a server shows for tls-alpn-01 (RFC 8737, section 3).
func proof(t *testing.T, name string, digest []byte) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	value, err := asn1.Marshal(digest)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}, Critical: true, Value: value}},
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{challenge.ALPNProtocol}}
}
