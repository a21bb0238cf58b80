package main

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// What the keys of an SSH CA may be here. step ca init --ssh makes those on P-256.
const (
	keyP256    = "p256"
	keyEd25519 = "ed25519"
)

var algorithms = map[string]kms.Algorithm{keyP256: kms.ECDSAP256, keyEd25519: kms.Ed25519}

// floorSSH is what the floor of an SSH certificate is called where the CA has a key of that kind.
func floorSSH(key string) string { return "ssh " + key }

// sshCA makes keys of that kind.
func sshCA(kind string) (*authority.SSH, error) {
	algorithm, ok := algorithms[kind]
	if !ok {
		return nil, fmt.Errorf("-sshkey is p256 or ed25519, not %q", kind)
	}
	c := &authority.SSH{}
	for _, t := range []provisioner.SSHType{provisioner.SSHUser, provisioner.SSHHost} {
		k, err := kms.Generate(algorithm)
		if err != nil {
			return nil, err
		}
		c.Issuers = append(c.Issuers, authority.SSHIssuer{Name: "ssh-" + t.String(), Type: t, Signer: kms.FromCrypto(k)})
	}
	return c, nil
}

// ssh is the login of somebody with an Ed25519 key, at a CA with a key of that kind.
func (l *load) ssh(key string) operation {
	return operation{"ssh", floorSSH(key), func() (*http.Client, error) { return l.https(), nil }, func() (*http.Request, error) {
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

// sshMeasure measures SSH user certificates, and X.509 ones on the same server to compare them with. A profile is
// of SSH alone, on one store.
func sshMeasure(n, clients, rounds int, key, postgresURL, profile string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "store\tSSH key\toperation\top/s\tserver CPU/op\tp50\tp99\tfloor\tratio\tof sign\t")
	durable := "SQLite"
	if postgresURL != "" {
		durable = "PostgreSQL"
	}
	for _, store := range []string{durable, "memory"} {
		if err := sshOn(w, store, n, clients, rounds, key, postgresURL, profile); err != nil {
			return err
		}
		if profile != "" {
			break
		}
	}
	return w.Flush()
}

func sshOn(w io.Writer, store string, n, clients, rounds int, key, postgresURL, profile string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := start(dir, postgresURL, profile, "-sshkey", key, fmt.Sprintf("-memory=%t", store == "memory"))
	if err != nil {
		return err
	}
	defer s.stop()
	l, err := newLoad(s, clients)
	if err != nil {
		return err
	}
	ops := []operation{l.sign(), l.ssh(key)}
	if profile != "" {
		ops = ops[1:]
	}
	var sign time.Duration
	for _, op := range ops {
		r, err := l.rounds(op, n, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
		compared := "-"
		if op.name == "sign" {
			sign = r.cpu
		} else if sign > 0 {
			compared = fmt.Sprintf("%.2f", float64(r.cpu)/float64(sign))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%s\t%s\t%s\t%s\t%.2f\t%s\t\n", store, key, op.name, r.perSecond, round(r.cpu), round(r.p50), round(r.p99),
			round(r.floor), float64(r.cpu)/float64(r.floor), compared)
	}
	return nil
}
