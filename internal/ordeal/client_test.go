package ordeal

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// client speaks to the API over connections of its own that stay open, perhaps with a certificate.
type client struct {
	url  string
	http *http.Client
}

func newClient(url string, roots *x509.CertPool, h2 bool, own ...tls.Certificate) *client {
	return &client{url, &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: own}, ForceAttemptHTTP2: h2, MaxIdleConnsPerHost: 64,
		},
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	leaf   *x509.Certificate // of a 201
	chain  [][]byte
}

// post sends a request. An error means that no whole answer came.
func (c *client) post(ctx context.Context, path string, body any) (*answer, error) {
	var in bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&in).Encode(body); err != nil {
			return nil, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, &in)
	if err != nil {
		return nil, err
	}
	r, err := c.http.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{status: r.StatusCode, header: r.Header}
	if r.StatusCode != http.StatusCreated {
		return a, nil
	}
	var out struct {
		CertChain []string `json:"certChain"`
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, err
	}
	for _, s := range out.CertChain {
		block, _ := pem.Decode([]byte(s))
		if block == nil {
			return nil, fmt.Errorf("no PEM in the answer")
		}
		a.chain = append(a.chain, block.Bytes)
	}
	a.leaf, err = x509.ParseCertificate(a.chain[0])
	return a, err
}

func (c *client) sign(ctx context.Context, token, csr string) (*answer, error) {
	return c.post(ctx, "/1.0/sign", map[string]string{"csr": csr, "ott": token})
}

func (c *client) renew(ctx context.Context) (*answer, error) { return c.post(ctx, "/renew", nil) }

func (c *client) rekey(ctx context.Context, csr string) (*answer, error) {
	return c.post(ctx, "/rekey", map[string]string{"csr": csr})
}

// revoke ends a certificate: by a token, or without one by the certificate of the connection.
func (c *client) revoke(ctx context.Context, leaf *x509.Certificate, token string) (*answer, error) {
	return c.post(ctx, "/revoke", map[string]any{
		"serial": leaf.SerialNumber.String(), "ott": token, "reasonCode": 1, "reason": "ordeal", "passive": true,
	})
}

// requestFor makes a CSR in PEM.
func requestFor(key crypto.Signer, name string) (string, error) {
	csr, err := authority.NewRequest(key, "", provisioner.ParseNames([]string{name}))
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr.Raw})), nil
}

// pair makes an answer the certificate of a client.
func (a *answer) pair(key crypto.PrivateKey) tls.Certificate {
	return tls.Certificate{Certificate: a.chain, PrivateKey: key, Leaf: a.leaf}
}
