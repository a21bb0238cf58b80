package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// accountKey signs the requests of all clients.
type accountKey struct {
	*ecdsa.PrivateKey
	jwk        string
	thumbprint string
}

func newAccountKey() (*accountKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	a := &accountKey{PrivateKey: k}
	a.jwk = fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:]))
	sum := sha256.Sum256([]byte(a.jwk))
	a.thumbprint = b64(sum[:])
	return a, nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// acmeLoad is the clients of one ACME provisioner.
type acmeLoad struct {
	s       *server
	key     *accountKey
	base    string // of the provisioner
	kid     string
	clients []*acmeClient
	next    atomic.Int64
	csrKey  *ecdsa.PrivateKey
}

// acmeClient is one client, with a connection that stays open and the nonce of the last answer.
type acmeClient struct {
	*acmeLoad
	http  *http.Client
	nonce string
}

func newACMELoad(s *server, key *accountKey, name string, clients int) (*acmeLoad, error) {
	l := &acmeLoad{s: s, key: key, base: s.URL + "/acme/" + name}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(s.Root))
	var err error
	if l.csrKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	for range clients {
		l.clients = append(l.clients, &acmeClient{acmeLoad: l, http: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool}, MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1,
		}}})
	}
	r, _, err := l.clients[0].post(l.base+"/new-account", map[string]any{"termsOfServiceAgreed": true})
	if err != nil {
		return nil, err
	}
	l.kid = r.Get("Location")
	return l, nil
}

// post sends a signed request; a nil payload is POST-as-GET.
func (c *acmeClient) post(url string, payload any) (http.Header, []byte, error) {
	if c.nonce == "" {
		r, err := c.http.Head(c.base + "/new-nonce")
		if err != nil {
			return nil, nil, err
		}
		r.Body.Close()
		c.nonce = r.Header.Get("Replay-Nonce")
	}
	who := `"jwk":` + c.key.jwk
	if c.kid != "" {
		who = `"kid":"` + c.kid + `"`
	}
	head := b64([]byte(`{"alg":"ES256",` + who + `,"nonce":"` + c.nonce + `","url":"` + url + `"}`))
	body := ""
	if payload != nil {
		b, err := json.Marshal(payload)
		if err != nil {
			return nil, nil, err
		}
		body = b64(b)
	}
	digest := sha256.Sum256([]byte(head + "." + body))
	r, s, err := ecdsa.Sign(rand.Reader, c.key.PrivateKey, digest[:])
	if err != nil {
		return nil, nil, err
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	res, err := c.http.Post(url, "application/jose+json", bytes.NewReader([]byte(`{"protected":"`+head+`","payload":"`+body+`","signature":"`+b64(sig)+`"}`)))
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	c.nonce = res.Header.Get("Replay-Nonce")
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode > 299 {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, b)
	}
	return res.Header, b, err
}

// object posts and reads a JSON object.
func (c *acmeClient) object(url string, payload any) (o object, h http.Header, err error) {
	h, b, err := c.post(url, payload)
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	return o, h, err
}

// object is what of orders, authorizations and challenges a client has to know.
type object struct {
	Status         string
	Authorizations []string
	Finalize       string
	Certificate    string
	Challenges     []struct{ URL string }
}

// issue goes the whole way to one certificate.
func (c *acmeClient) issue() error {
	name := fmt.Sprintf("n%d.bench.internal", c.next.Add(1))
	o, h, err := c.object(c.base+"/new-order", map[string]any{"identifiers": []map[string]string{{"type": "dns", "value": name}}})
	if err != nil {
		return err
	}
	here := h.Get("Location")
	z, _, err := c.object(o.Authorizations[0], nil)
	if err != nil {
		return err
	}
	ch, _, err := c.object(z.Challenges[0].URL, struct{}{})
	for err == nil && ch.Status == "processing" {
		time.Sleep(10 * time.Millisecond)
		ch, _, err = c.object(z.Challenges[0].URL, nil)
	}
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, c.csrKey)
	if err != nil {
		return err
	}
	o, _, err = c.object(o.Finalize, map[string]string{"csr": b64(csr)})
	for err == nil && o.Status == "processing" {
		time.Sleep(10 * time.Millisecond)
		o, _, err = c.object(here, nil)
	}
	if err != nil {
		return err
	}
	if o.Certificate == "" {
		return fmt.Errorf("order of %s is %s", name, o.Status)
	}
	_, b, err := c.post(o.Certificate, nil)
	if err == nil && !bytes.HasPrefix(b, []byte("-----BEGIN CERTIFICATE-----")) {
		err = fmt.Errorf("%s: no certificate", name)
	}
	return err
}

// run makes n issuances, after one by each client that is not counted.
func (l *acmeLoad) run(n int) (result, error) {
	for _, c := range l.clients {
		if err := c.issue(); err != nil {
			return result{}, err
		}
	}
	var before, after [3]time.Duration
	read := func(to *[3]time.Duration) (err error) {
		for i, what := range []string{"cpu", "calls", "trips"} {
			if to[i], err = l.s.ask(what); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(&before); err != nil {
		return result{}, err
	}
	begin := time.Now()
	var mu sync.Mutex
	var times []time.Duration
	var failed error
	var wg sync.WaitGroup
	left := atomic.Int64{}
	left.Store(int64(n))
	for _, c := range l.clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				t := time.Now()
				err := c.issue()
				mu.Lock()
				times = append(times, time.Since(t))
				if err != nil {
					failed = err
					left.Store(0)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(begin)
	if failed != nil {
		return result{}, failed
	}
	if err := read(&after); err != nil {
		return result{}, err
	}
	slices.Sort(times)
	return result{
		perSecond: float64(n) / elapsed.Seconds(), cpu: (after[0] - before[0]) / time.Duration(n), p50: times[n/2], p99: times[n*99/100],
		calls: float64(after[1]-before[1]) / float64(n), trips: float64(after[2]-before[2]) / float64(n),
	}, nil
}
