package interop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme/challenge"
	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/event"
)

// acmeHost answers http-01 and tls-alpn-01 on the lab's ports with what it is told to.
type acmeHost struct {
	mu    sync.Mutex
	files map[string]string           // host and path → content
	certs map[string]*tls.Certificate // SNI → certificate
}

func (l *acmeLab) host() *acmeHost {
	l.t.Helper()
	h := &acmeHost{files: map[string]string{}, certs: map[string]*tls.Certificate{}}
	l.serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		host, _, _ := strings.Cut(r.Host, ":")
		body, ok := h.files[host+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	l.serveALPN(func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.certs[hello.ServerName], nil
	})
	return h
}

// xclient is a client that trusts the CA, with an account.
func (l *acmeLab) xclient(a *xacme.Account) *xacme.Client {
	l.t.Helper()
	c := &xacme.Client{Key: xkey(l.t), DirectoryURL: l.directory, HTTPClient: l.client()}
	_, err := c.Register(l.t.Context(), a, xacme.AcceptTOS)
	require.NoError(l.t, err)
	return c
}

func (l *acmeLab) client() *http.Client {
	return &http.Client{Timeout: limit, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: l.Pool()}, ForceAttemptHTTP2: true}}
}

func xkey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// xanswer does what a challenge asks for. The name is that of an authorization, so never a wildcard.
func (l *acmeLab) xanswer(c *xacme.Client, h *acmeHost, ch *xacme.Challenge, id xacme.AuthzID) {
	t := l.t
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch ch.Type {
	case "http-01":
		body, err := c.HTTP01ChallengeResponse(ch.Token)
		require.NoError(t, err)
		h.files[id.Value+c.HTTP01ChallengePath(ch.Token)] = body
	case "tls-alpn-01":
		cert, err := c.TLSALPN01ChallengeCert(ch.Token, id.Value)
		require.NoError(t, err)
		name := id.Value
		if id.Type == "ip" {
			name = "1.0.0.127.in-addr.arpa" // RFC 8738, section 6
		}
		h.certs[name] = &cert
	case "dns-01", "dns-account-01":
		value, err := c.DNS01ChallengeRecord(ch.Token)
		require.NoError(t, err)
		name := "_acme-challenge." + id.Value
		if ch.Type == "dns-account-01" {
			name = "_" + challenge.AccountLabel(string(c.KID)) + "." + name
		}
		l.zone.set(t, name, value)
	case "dns-persist-01":
		l.zone.set(t, "_validation-persist."+id.Value, acmeCAA+";accounturi="+string(c.KID)+";policy=wildcard")
	default:
		t.Fatal(ch.Type)
	}
}

// xorder gets a certificate by one kind of challenge, from the order to the chain.
func (l *acmeLab) xorder(ctx context.Context, c *xacme.Client, h *acmeHost, kind string, ids ...xacme.AuthzID) (*x509.Certificate, crypto.Signer) {
	t := l.t
	t.Helper()
	o, err := c.AuthorizeOrder(ctx, ids)
	require.NoError(t, err, kind)
	require.Equal(t, xacme.StatusPending, o.Status)
	for _, u := range o.AuthzURLs {
		z, err := c.GetAuthorization(ctx, u)
		require.NoError(t, err)
		var chosen *xacme.Challenge
		for _, ch := range z.Challenges {
			if ch.Type == kind {
				chosen = ch
			}
		}
		require.NotNil(t, chosen, "%s for %s", kind, z.Identifier.Value)
		l.xanswer(c, h, chosen, z.Identifier)
		_, err = c.Accept(ctx, chosen)
		require.NoError(t, err)
		z, err = c.WaitAuthorization(ctx, u)
		require.NoError(t, err, kind)
		require.Len(t, z.Challenges, 1, "the one that was met")
	}
	o, err = c.WaitOrder(ctx, o.URI)
	require.NoError(t, err)
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		names = append(names, id.Value)
	}
	key := xkey(t)
	der, _, err := c.CreateOrderCert(ctx, o.FinalizeURL, l.CSR(key, names...).Raw, true)
	require.NoError(t, err, kind)
	chain, err := x509.ParseCertificates(append(append([]byte{}, der[0]...), der[1]...))
	require.NoError(t, err)
	return l.verify(chain, names...), key
}

// C11: Go's own client, with every challenge there is, and all that one can do with an account.
func TestACMEGoClient(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{})
	h := l.host()
	ctx := t.Context()
	c := l.xclient(&xacme.Account{Contact: []string{"mailto:a@example.com"}})
	l.xorder(ctx, c, h, "http-01", xacme.DomainIDs("a.interop.test", "b.interop.test")...)
	l.xorder(ctx, c, h, "tls-alpn-01", xacme.DomainIDs("c.interop.test", "d.interop.test")...)
	l.xorder(ctx, c, h, "dns-01", xacme.DomainIDs("e.interop.test")...)
	l.xorder(ctx, c, h, "dns-01", xacme.DomainIDs("*.e.interop.test")...)
	l.xorder(ctx, c, h, "dns-account-01", xacme.DomainIDs("*.f.interop.test")...)
	l.xorder(ctx, c, h, "dns-persist-01", xacme.DomainIDs("g.interop.test", "*.g.interop.test")...)
	l.xorder(ctx, c, h, "http-01", xacme.IPIDs("127.0.0.1")...)
	l.xorder(ctx, l.xclient(&xacme.Account{}), h, "tls-alpn-01", xacme.IPIDs("127.0.0.1")...)

	_, err := c.UpdateReg(ctx, &xacme.Account{Contact: []string{"mailto:b@example.com"}})
	require.NoError(t, err)
	a, err := c.GetReg(ctx, "")
	require.NoError(t, err)
	require.Equal(t, []string{"mailto:b@example.com"}, a.Contact)

	old := c.Key
	require.NoError(t, c.AccountKeyRollover(ctx, xkey(t)))
	require.NotEqual(t, old, c.Key)
	byAccount, _ := l.xorder(ctx, c, h, "http-01", xacme.DomainIDs("after.interop.test")...)
	_, err = (&xacme.Client{Key: old, DirectoryURL: l.directory, HTTPClient: l.client()}).GetReg(ctx, "")
	require.ErrorIs(t, err, xacme.ErrNoAccount)

	byKey, key := l.xorder(ctx, c, h, "http-01", xacme.DomainIDs("key.interop.test")...)
	require.NoError(t, c.RevokeCert(ctx, nil, byAccount.Raw, xacme.CRLReasonSuperseded))
	require.Equal(t, 4, l.record(byAccount).Revocation.ReasonCode)
	stranger := l.xclient(&xacme.Account{})
	require.Error(t, stranger.RevokeCert(ctx, nil, byKey.Raw, xacme.CRLReasonUnspecified))
	require.Error(t, stranger.RevokeCert(ctx, xkey(t), byKey.Raw, xacme.CRLReasonUnspecified))
	require.Nil(t, l.record(byKey).Revocation)
	require.NoError(t, stranger.RevokeCert(ctx, key, byKey.Raw, xacme.CRLReasonKeyCompromise))
	require.Equal(t, 1, l.record(byKey).Revocation.ReasonCode)

	o, err := c.AuthorizeOrder(ctx, xacme.DomainIDs("dropped.interop.test"))
	require.NoError(t, err)
	require.NoError(t, c.RevokeAuthorization(ctx, o.AuthzURLs[0]))
	o, err = c.GetOrder(ctx, o.URI)
	require.NoError(t, err)
	require.Equal(t, xacme.StatusInvalid, o.Status)

	require.ErrorContains(t, c.AccountKeyRollover(ctx, stranger.Key), "another account has that key")
	require.NoError(t, c.DeactivateReg(ctx))
	_, err = c.AuthorizeOrder(ctx, xacme.DomainIDs("late.interop.test"))
	require.Error(t, err)
	require.Len(t, l.Events.OfType(event.AccountKeyChanged), 1)
}

func TestACMEGoClientExternalKey(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{server: func(c *acmeserver.Config) { c.RequireExternalKey = true }})
	key := l.externalKey("web-team")
	register := func(eab *xacme.ExternalAccountBinding) error {
		c := &xacme.Client{Key: xkey(t), DirectoryURL: l.directory, HTTPClient: l.client()}
		_, err := c.Register(t.Context(), &xacme.Account{ExternalAccountBinding: eab}, xacme.AcceptTOS)
		return err
	}
	require.ErrorContains(t, register(nil), "externalAccountRequired")
	require.ErrorContains(t, register(&xacme.ExternalAccountBinding{KID: "web-team", Key: make([]byte, 32)}), "not accepted")
	require.NoError(t, register(&xacme.ExternalAccountBinding{KID: "web-team", Key: key}))
	require.ErrorContains(t, register(&xacme.ExternalAccountBinding{KID: "web-team", Key: key}), "was used")
}

// Each challenge is refused when the answer is wrong, when it is another account's, and when nobody answers.
func TestACMEGoClientRefused(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{server: func(c *acmeserver.Config) { c.Retries = append(c.Retries, retryOnce) }})
	h := l.host()
	ctx := t.Context()
	c, other := l.xclient(&xacme.Account{}), l.xclient(&xacme.Account{})
	try := func(kind, name string, answer func(ch *xacme.Challenge, id xacme.AuthzID)) error {
		o, err := c.AuthorizeOrder(ctx, xacme.DomainIDs(name))
		require.NoError(t, err)
		z, err := c.GetAuthorization(ctx, o.AuthzURLs[0])
		require.NoError(t, err)
		for _, ch := range z.Challenges {
			if ch.Type == kind {
				answer(ch, z.Identifier)
				_, err := c.Accept(ctx, ch)
				require.NoError(t, err)
			}
		}
		if _, err = c.WaitAuthorization(ctx, o.AuthzURLs[0]); err == nil {
			return nil
		}
		_, werr := c.WaitOrder(ctx, o.URI)
		require.Error(t, werr)
		_, _, werr = c.CreateOrderCert(ctx, o.FinalizeURL, l.CSR(xkey(t), name).Raw, true)
		require.ErrorContains(t, werr, "orderNotReady")
		return err
	}
	for _, kind := range []string{"http-01", "tls-alpn-01", "dns-01", "dns-account-01", "dns-persist-01"} {
		require.Error(t, try(kind, kind+".interop.test", func(ch *xacme.Challenge, id xacme.AuthzID) {
			l.xanswer(other, h, ch, id)
		}), "%s: another account's answer", kind)
		require.Error(t, try(kind, "nothing-"+kind+".interop.test", func(*xacme.Challenge, xacme.AuthzID) {}), "%s: no answer", kind)
	}
	err := try("http-01", "nowhere.interop.test", func(*xacme.Challenge, xacme.AuthzID) {})
	require.ErrorContains(t, err, ":dns", "the name does not exist")
	for _, kind := range []string{"http-01", "dns-01"} {
		err := try(kind, "closed.interop.test", func(ch *xacme.Challenge, id xacme.AuthzID) { l.xanswer(c, h, ch, id) })
		require.ErrorContains(t, err, "caa", "its owner wants no certificates")
	}
	_, err = c.AuthorizeOrder(ctx, xacme.DomainIDs("ok.interop.test", "secret.interop.test"))
	require.ErrorContains(t, err, "rejectedIdentifier")
	_, err = c.AuthorizeOrder(ctx, xacme.DomainIDs("secret.interop.test"))
	require.ErrorContains(t, err, `"secret.interop.test" is denied`)
	_, err = c.AuthorizeOrder(ctx, xacme.IPIDs("10.0.0.1"))
	require.ErrorContains(t, err, "rejectedIdentifier")
	require.Empty(t, l.issued())
}
