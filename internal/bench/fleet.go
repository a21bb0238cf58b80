package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
)

// What the fleet is, and how long its hour takes.
const (
	hosts  = 500
	logins = 200
	hour   = time.Minute
)

// fleet has every host renew once and everybody log in once within an hour, each over a connection of its own as
// the step CLI has it, and tells what that took. It fails if any of them was refused.
func fleet(postgresURL, sshKey string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := start(dir, postgresURL, "", "-sshkey", sshKey)
	if err != nil {
		return err
	}
	defer s.stop()
	l, err := newLoad(s, 1)
	if err != nil {
		return err
	}
	all := make([]*host, hosts)
	for i := range all {
		if all[i], err = l.enrol(i); err != nil {
			return err
		}
	}
	before, err := s.cpu()
	if err != nil {
		return err
	}
	var renewals, sessions crowd
	for i, h := range all {
		renewals.at(i, hosts, func() error {
			q, err := l.renewal(h)
			if err != nil {
				return err
			}
			return h.take(l.https(), q)
		})
	}
	for i := range logins {
		sessions.at(i, logins, func() error {
			q, err := l.ssh(sshKey).request()
			if err != nil {
				return err
			}
			return new(host).take(l.https(), q)
		})
	}
	renewals.Wait()
	sessions.Wait()
	after, err := s.cpu()
	if err != nil {
		return err
	}
	fmt.Printf("host renewals within %s: %s\nlogins within %s: %s\n", hour, &renewals, hour, &sessions)
	fmt.Printf("server: CPU %s in all and %s each, %s resident at most\n", round(after-before), round((after-before)/(hosts+logins)), s.resident())
	if failed := append(renewals.failed, sessions.failed...); len(failed) > 0 {
		return fmt.Errorf("%d failed, the first with: %w", len(failed), failed[0])
	}
	return nil
}

// crowd does the same at moments that are spread over the hour.
type crowd struct {
	sync.WaitGroup
	mu     sync.Mutex
	times  []time.Duration
	failed []error
}

func (c *crowd) at(i, of int, do func() error) {
	c.Go(func() {
		time.Sleep(hour * time.Duration(i) / time.Duration(of))
		began := time.Now()
		err := do()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.times = append(c.times, time.Since(began))
		if err != nil {
			c.failed = append(c.failed, err)
		}
	})
}

func (c *crowd) String() string {
	slices.Sort(c.times)
	n := len(c.times)
	return fmt.Sprintf("%d, p50 %s, p99 %s, at most %s, %d failed", n, round(c.times[n/2]), round(c.times[n*99/100]), round(c.times[n-1]), len(c.failed))
}

// host is one of the fleet.
type host struct {
	key  ed25519.PrivateKey
	cert []byte
}

// enrol gets the host its first certificate.
func (l *load) enrol(n int) (*host, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	q, err := l.sshRequest("host", fmt.Sprintf("host-%d.internal", n), key)
	if err != nil {
		return nil, err
	}
	h := &host{key: key}
	return h, h.take(l.https(), q)
}

func (h *host) take(c *http.Client, q *http.Request) error {
	b, err := do(c, q)
	if err != nil {
		return err
	}
	var answer struct{ Crt []byte }
	err = json.Unmarshal(b, &answer)
	h.cert = answer.Crt
	c.CloseIdleConnections()
	return err
}

// renewal is the request of a host that has nothing but its key and its certificate.
func (l *load) renewal(h *host) (*http.Request, error) {
	k, err := ssh.ParsePublicKey(h.cert)
	if err != nil {
		return nil, err
	}
	ticket := provisioner.Ticket{Audience: l.s.URL + "/1.0/ssh/renew#" + sshpop.Fragment("sshpop"), Subject: strconv.FormatUint(k.(*ssh.Certificate).Serial, 10)}
	payload, err := ticket.Payload("sshpop")
	if err != nil {
		return nil, err
	}
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("sshpop", base64.StdEncoding.EncodeToString(h.cert))
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: h.key}, o)
	if err != nil {
		return nil, err
	}
	m, err := s.Sign(payload)
	if err != nil {
		return nil, err
	}
	token, err := m.CompactSerialize()
	if err != nil {
		return nil, err
	}
	return l.post("/ssh/renew", map[string]string{"ott": token})
}

// resident is the most memory that the server has had, where the system tells.
func (s *server) resident() string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return "an unknown amount"
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(v)
		}
	}
	return "an unknown amount"
}
