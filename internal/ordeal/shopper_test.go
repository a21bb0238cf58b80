package ordeal

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/authority"
)

// balancer leads each connection to one of the nodes.
type balancer struct {
	mu    sync.Mutex
	nodes [nodes]string // host:port
}

func (b *balancer) set(i int, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes[i] = address
}

func (b *balancer) client(roots *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}, MaxConnsPerHost: 2,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			b.mu.Lock()
			to := b.nodes[mrand.IntN(nodes)]
			b.mu.Unlock()
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	}}
}

// shopper is a client that orders certificates, and goes on whatever happens to the nodes.
type shopper struct {
	t      *testing.T
	id     int
	orders int
	key    *ecdsa.PrivateKey
	client *xacme.Client

	seen    []string                    // URLs of orders
	got     map[string]authority.Serial // name → certificate
	retries int
}

func (s *shopper) shop(ctx context.Context) {
	s.got = map[string]authority.Serial{}
	for ctx.Err() == nil {
		_, err := s.client.Register(ctx, &xacme.Account{}, xacme.AcceptTOS)
		if err == nil || errors.Is(err, xacme.ErrAccountAlreadyExists) {
			break
		}
		s.again(ctx, "register", err)
	}
	key, err := ecdsa.GenerateKey(s.key.Curve, rand.Reader)
	if err != nil {
		s.t.Error(err)
		return
	}
	for n := range s.orders {
		name := fmt.Sprintf("c%d-%d.ordeal.internal", s.id, n)
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
		if err != nil {
			s.t.Error(err)
			return
		}
		for ctx.Err() == nil {
			der, err := s.buy(ctx, name, csr)
			if err == nil {
				leaf, err := x509.ParseCertificate(der)
				if err != nil {
					s.t.Error(err)
					return
				}
				s.got[name] = authority.SerialOf(leaf.SerialNumber)
				break
			}
			s.again(ctx, name, err)
		}
	}
}

// again waits a moment after something went wrong, as it does when a node is killed.
func (s *shopper) again(ctx context.Context, what string, err error) {
	s.retries++
	if s.retries > 200*s.orders {
		s.t.Errorf("client %d: %s: %v", s.id, what, err)
	}
	select {
	case <-ctx.Done():
		s.t.Errorf("client %d: %s: out of time: %v", s.id, what, err)
	case <-time.After(50*time.Millisecond + mrand.N(100*time.Millisecond)):
	}
}

// buy goes the whole way to a certificate. An order that is under way is taken up where it was.
//
// One whose node was killed between reserving and committing is settled five minutes later only, and then it is
// invalid: the client gives up before, and orders anew.
func (s *shopper) buy(all context.Context, name string, csr []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(all, time.Minute)
	defer cancel()
	o, err := s.client.AuthorizeOrder(ctx, xacme.DomainIDs(name))
	if err != nil {
		return nil, err
	}
	s.seen = append(s.seen, o.URI)
	for _, u := range o.AuthzURLs {
		z, err := s.client.GetAuthorization(ctx, u)
		if err != nil {
			return nil, err
		}
		if z.Status == xacme.StatusPending {
			if _, err := s.client.Accept(ctx, z.Challenges[0]); err != nil {
				return nil, err
			}
		}
		if _, err := s.client.WaitAuthorization(ctx, u); err != nil {
			return nil, err
		}
	}
	der, _, err := s.client.CreateOrderCert(ctx, o.FinalizeURL, csr, false)
	for err != nil && ctx.Err() == nil { // it may have taken effect
		s.again(all, name, err)
		now, gerr := s.client.GetOrder(ctx, o.URI)
		switch {
		case gerr != nil:
			err = gerr
		case now.Status == xacme.StatusValid:
			der, err = s.client.FetchCert(ctx, now.CertURL, false)
		case now.Status == xacme.StatusProcessing:
		default:
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return der[0], nil
}
