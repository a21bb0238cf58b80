package ordeal

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
)

// patient is a client that is told to come back later, and does.
type patient struct {
	t        *testing.T
	k        *keys
	key      *ecdsa.PrivateKey
	c        *client
	own      tls.Certificate
	holder   *client // with own
	received []*x509.Certificate
	subjects int
}

// newPatient makes one that has a certificate.
func newPatient(t *testing.T, k *keys, url string) *patient {
	t.Helper()
	p := &patient{t: t, k: k, key: newKey(t), c: newClient(url, k.pool(t), true)}
	u := p.use()
	a := p.requireStatus("sign", http.StatusCreated)(p.c.sign(t.Context(), u.token, u.csr))
	p.own = a.pair(p.key)
	p.holder = newClient(url, k.pool(t), false, p.own)
	t.Cleanup(p.close)
	return p
}

func (p *patient) close() { p.c.close(); p.holder.close() }

// use makes a token that was not used, and a CSR for it.
func (p *patient) use() use {
	p.t.Helper()
	p.subjects++
	u, err := p.k.use(fmt.Sprintf("p%d.ordeal.internal", p.subjects), p.key)
	require.NoError(p.t, err)
	return u
}

// requireStatus checks an answer and keeps the certificate in it.
func (p *patient) requireStatus(what string, want int) func(*answer, error) *answer {
	return func(a *answer, err error) *answer {
		p.t.Helper()
		require.NoError(p.t, err, what)
		require.Equal(p.t, want, a.status, what)
		if a.leaf != nil {
			p.received = append(p.received, a.leaf)
		}
		if want == http.StatusServiceUnavailable {
			require.NotEmpty(p.t, a.header.Get("Retry-After"), "%s: when to come back", what)
		}
		return a
	}
}

// requireUnavailable tries everything that writes, and what only reads.
func (p *patient) requireUnavailable(u use) {
	p.t.Helper()
	ctx, leaf := p.t.Context(), p.own.Leaf
	for range 2 { // a second try fares no worse
		p.requireStatus("sign", http.StatusServiceUnavailable)(p.c.sign(ctx, u.token, u.csr))
	}
	p.requireStatus("renew", http.StatusServiceUnavailable)(p.holder.renew(ctx))
	p.requireStatus("rekey", http.StatusServiceUnavailable)(p.holder.rekey(ctx, u.csr))
	p.requireStatus("revoke by holder", http.StatusServiceUnavailable)(p.holder.revoke(ctx, leaf, ""))
	token, err := p.k.token("/revoke", leaf.SerialNumber.String())
	require.NoError(p.t, err)
	p.requireStatus("revoke by token", http.StatusServiceUnavailable)(p.c.revoke(ctx, leaf, token))
	for _, path := range []string{"/health", "/roots", "/provisioners"} {
		r, err := p.c.http.Get(p.c.url + path)
		require.NoError(p.t, err)
		r.Body.Close()
		require.Less(p.t, r.StatusCode, 300, path)
	}
}

// requireRecovered tries again what was refused before, now to be granted.
func (p *patient) requireRecovered(u use) {
	p.t.Helper()
	ctx := p.t.Context()
	a := p.requireStatus("sign", http.StatusCreated)(p.c.sign(ctx, u.token, u.csr))
	p.requireStatus("sign with the same token", http.StatusUnauthorized)(p.c.sign(ctx, u.token, u.csr))
	p.requireStatus("renew", http.StatusCreated)(p.holder.renew(ctx))
	p.requireStatus("rekey", http.StatusCreated)(p.holder.rekey(ctx, u.csr))
	token, err := p.k.token("/revoke", a.leaf.SerialNumber.String())
	require.NoError(p.t, err)
	p.requireStatus("revoke by token", http.StatusOK)(p.c.revoke(ctx, a.leaf, token))
}

// request is u for the authority itself.
func (u use) request(t testing.TB) *authority.Request {
	t.Helper()
	block, _ := pem.Decode([]byte(u.csr))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	require.NoError(t, err)
	return &authority.Request{Token: u.token, CSR: csr}
}
