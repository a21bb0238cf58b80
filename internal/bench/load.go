package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

// load is the clients, each with a connection that stays open.
type load struct {
	s       *server
	clients int
	pool    *x509.CertPool
	tokens  *jwk.Signer
	key     *ecdsa.PrivateKey
	csr     string
}

// operation is what a client does again and again.
type operation struct {
	name    string
	floor   string // what the server calls its floor
	client  func() (*http.Client, error)
	request func() (*http.Request, error)
}

type result struct {
	perSecond            float64
	cpu, p50, p99, floor time.Duration
	calls, trips         float64 // to the stores and to the database, each time
}

func newLoad(s *server, clients int) (*load, error) {
	l := &load{s: s, clients: clients, pool: x509.NewCertPool()}
	l.pool.AppendCertsFromPEM([]byte(s.Root))
	var err error
	if l.tokens, err = jwk.NewSigner("admin", s.Key); err != nil {
		return nil, err
	}
	if l.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}, l.key)
	l.csr = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	return l, err
}

func (l *load) https(certificates ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: l.pool, Certificates: certificates}, MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1,
	}}
}

func (l *load) sign() operation {
	return operation{"sign", "sign", func() (*http.Client, error) { return l.https(), nil }, l.signRequest}
}

func (l *load) signRequest() (*http.Request, error) {
	token, err := l.tokens.Sign(provisioner.Ticket{Audience: l.s.URL + "/1.0/sign", Subject: "a.example.com"})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"csr": l.csr, "ott": token, "notBefore": "", "notAfter": ""})
	if err != nil {
		return nil, err
	}
	return http.NewRequest("POST", l.s.URL+"/sign", bytes.NewReader(body))
}

func (l *load) renew() operation {
	return operation{"renew", "renew", l.holder, func() (*http.Request, error) {
		return http.NewRequest("POST", l.s.URL+"/renew", nil)
	}}
}

// holder is a client with a certificate of its own.
func (l *load) holder() (*http.Client, error) {
	q, err := l.signRequest()
	if err != nil {
		return nil, err
	}
	var chain struct{ CertChain []string }
	b, err := do(l.https(), q)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &chain); err != nil {
		return nil, err
	}
	t := tls.Certificate{PrivateKey: l.key}
	for _, s := range chain.CertChain {
		block, _ := pem.Decode([]byte(s))
		t.Certificate = append(t.Certificate, block.Bytes)
	}
	return l.https(t), nil
}

func do(c *http.Client, q *http.Request) ([]byte, error) {
	r, err := c.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusCreated {
		err = fmt.Errorf("%s: %s", r.Status, b)
	}
	return b, err
}

// rounds runs op as often, each time with its floor, and returns the result in the middle.
func (l *load) rounds(op operation, n, rounds int) (result, error) {
	var results []result
	for range rounds {
		r, err := l.run(op, n)
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", op.name, err)
		}
		if r.floor, err = l.s.floor(op.floor); err != nil {
			return result{}, err
		}
		results = append(results, r)
	}
	return median(results), nil
}

// run sends n requests, after one from each client that is not counted.
func (l *load) run(op operation, n int) (result, error) {
	requests := make(chan *http.Request, n)
	for range n { // made beforehand, so that the clients' work is not in the way
		q, err := op.request()
		if err != nil {
			return result{}, err
		}
		requests <- q
	}
	close(requests)
	clients := make([]*http.Client, l.clients)
	for i := range clients {
		c, err := op.client()
		if err != nil {
			return result{}, err
		}
		q, err := op.request()
		if err != nil {
			return result{}, err
		}
		if _, err := do(c, q); err != nil {
			return result{}, err
		}
		clients[i] = c
	}
	before, err := l.s.cpu()
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	times, err := fire(clients, requests)
	elapsed := time.Since(begin)
	if err != nil {
		return result{}, err
	}
	after, err := l.s.cpu()
	slices.Sort(times)
	return result{
		perSecond: float64(n) / elapsed.Seconds(), cpu: (after - before) / time.Duration(n),
		p50: times[n/2], p99: times[n*99/100],
	}, err
}

func fire(clients []*http.Client, requests <-chan *http.Request) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			var mine []time.Duration
			var err error
			for q := range requests {
				t := time.Now()
				if _, err = do(c, q); err != nil {
					break
				}
				mine = append(mine, time.Since(t))
			}
			c.CloseIdleConnections()
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return all, failed
}

// median is the result whose CPU time is in the middle.
func median(r []result) result {
	slices.SortFunc(r, func(a, b result) int { return int(a.cpu - b.cpu) })
	return r[len(r)/2]
}
