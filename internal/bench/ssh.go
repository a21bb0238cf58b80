package main

import (
	"bytes"
	"crypto"
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

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
)

// sshCA makes keys of the kind that step ca init --ssh does.
func sshCA() (*authority.SSH, error) {
	c := &authority.SSH{}
	for _, t := range []provisioner.SSHType{provisioner.SSHUser, provisioner.SSHHost} {
		k, err := kms.Generate(kms.ECDSAP256)
		if err != nil {
			return nil, err
		}
		c.Issuers = append(c.Issuers, authority.SSHIssuer{Name: "ssh-" + t.String(), Type: t, Signer: kms.FromCrypto(k)})
	}
	return c, nil
}

// ssh is the login of somebody with an Ed25519 key.
func (l *load) ssh() operation {
	return operation{"ssh", func() (*http.Client, error) { return l.https(), nil }, func() (*http.Request, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return l.sshRequest("user", "alice", key)
	}}
}

func (l *load) sshRequest(kind, name string, key crypto.Signer) (*http.Request, error) {
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	ticket := provisioner.Ticket{Audience: l.s.URL + "/1.0/ssh/sign", Subject: name, SSH: &provisioner.SSHTicket{CertType: kind, Principals: []string{name}}}
	token, err := l.tokens.Sign(ticket)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"publicKey": pub.Marshal(), "ott": token, "certType": kind, "keyID": name, "principals": []string{name}, "validAfter": "", "validBefore": "", "identityCSR": nil}
	return l.post("/ssh/sign", body)
}

func (l *load) post(path string, body any) (*http.Request, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return http.NewRequest("POST", l.s.URL+path, bytes.NewReader(b))
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

// What the fleet is, and how long its hour takes.
const (
	hosts  = 500
	logins = 200
	hour   = time.Minute
)

// fleet has every host renew once and everybody log in once within an hour, each over a connection of its own as
// the step CLI has it, and tells what that took.
func fleet(postgresURL string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := start(dir, postgresURL, "")
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
	var wg sync.WaitGroup
	var mu sync.Mutex
	var times []time.Duration
	failed := map[string]int{}
	at := func(i, of int, do func() error) {
		wg.Go(func() {
			time.Sleep(hour * time.Duration(i) / time.Duration(of))
			began := time.Now()
			err := do()
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Since(began))
			if err != nil {
				failed[err.Error()]++
			}
		})
	}
	for i, h := range all {
		at(i, hosts, func() error {
			q, err := l.renewal(h)
			if err != nil {
				return err
			}
			return h.take(l.https(), q)
		})
	}
	for i := range logins {
		at(i, logins, func() error {
			q, err := l.ssh().request()
			if err != nil {
				return err
			}
			return new(host).take(l.https(), q)
		})
	}
	wg.Wait()
	after, err := s.cpu()
	if err != nil {
		return err
	}
	slices.Sort(times)
	fmt.Printf("%d hosts renewed and %d people logged in within %s: server CPU %s in all, p50 %s, p99 %s, %s resident at most, %d failed %v\n",
		hosts, logins, hour, round(after-before), round(times[len(times)/2]), round(times[len(times)*99/100]), s.resident(), len(failed), failed)
	return nil
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
