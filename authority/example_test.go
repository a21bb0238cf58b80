package authority_test

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// A CA inside a program: a root that issues by itself, the program's own server certificate, and the
// HTTP API over TLS with it.
func Example() {
	key := kms.FromCrypto(must(kms.Generate(kms.ECDSAP256))) // any crypto.Signer will do
	root := must(authority.SelfSign(context.Background(), authority.Root{Subject: pkix.Name{CommonName: "My Root"}}, key))
	ca := must(authority.New(authority.Config{
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "root", Chain: []*x509.Certificate{root}, Signer: key}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "us", Names: provisioner.Names{DNS: []string{"localhost"}}}},
		Store:        authority.NewMemory(),
	}))
	us := authority.IdentityOptions{Provisioner: "us", Names: []string{"localhost"}}
	id := must(authority.NewIdentity(context.Background(), ca, us))
	server := httpapi.Timeouts(&http.Server{Handler: httpapi.New(ca, nil), TLSConfig: httpapi.TLSConfig(ca, id.GetCertificate)})
	fmt.Println(ask(server, root, "/health")) // yours is server.ListenAndServeTLS("", "")
	// Output: {"status":"ok"}
}

// Explain tells what each step of the pipeline says to a request, without signing, spending or
// recording anything.
func ExampleAuthority_Explain() {
	ca := exampleCA(func(c *authority.Config) {
		c.Policy = must(policy.New(policy.Config{Deny: policy.Rules{DNS: []string{"**.prod.internal"}}}))
	})
	for _, name := range []string{"db.test.internal", "db.prod.internal"} {
		x := ca.Explain(context.Background(), exampleRequest(name))
		for _, s := range x.Steps {
			fmt.Println(s.Step, s.Outcome)
		}
		if x.Err != nil {
			fmt.Println(x.Err.Reason)
		}
	}
	// Output:
	// authenticate ok
	// look up ok
	// decide ok
	// render ok
	// check ok
	// authenticate ok
	// look up ok
	// decide refused
	// policy of the authority: common name "db.prod.internal" is denied by "**.prod.internal"
}

// The inventory knows what a machine is called. A profile with an EntityRule takes the names from
// there, and refuses whoever is not in it, or no longer active.
func ExampleEntityRule() {
	ctx := context.Background()
	vm := &inventory.Entity{
		ID: "vm-17", Kind: inventory.Host, Active: true, DNS: []string{"billing.internal"},
		Identifiers: []inventory.Identifier{{Kind: provisioner.HostName, Value: "vm-17.internal"}},
	}
	hosts := must(inventory.NewMemory(vm))
	ca := exampleCA(func(c *authority.Config) {
		c.Inventory = hosts
		c.Profiles = []authority.Profile{{Entity: authority.EntityRule{Names: true}}}
	})
	fmt.Println(must(ca.Issue(ctx, exampleRequest("vm-17.internal"))).Leaf.DNSNames)
	_, err := ca.Issue(ctx, exampleRequest("vm-18.internal"))
	fmt.Println(err)

	vm.Active = false
	if err := hosts.Put(ctx, vm); err != nil {
		fmt.Println(err)
	}
	_, err = ca.Issue(ctx, exampleRequest("vm-17.internal"))
	fmt.Println(err)
	// Output:
	// [billing.internal]
	// authority: look up: "vm-18.internal" is not in the inventory
	// authority: look up: "vm-17" is not active
}

// Decide is policy in Go: it sees everything that is known about a request, and an error from it is a
// refusal.
func ExampleConfig_decide() {
	ctx := context.Background()
	ca := exampleCA(func(c *authority.Config) {
		c.Decide = func(_ context.Context, d *authority.Decision) error {
			for _, name := range d.Names.DNS {
				if strings.HasPrefix(name, "db.") && d.NotAfter.Sub(d.NotBefore) > 2*time.Hour {
					return errors.New("databases get two hours at most")
				}
			}
			return nil
		}
	})
	_, err := ca.Issue(ctx, exampleRequest("db.internal"))
	fmt.Println(err, errors.Is(err, authority.Denied))

	r := exampleRequest("db.internal")
	r.NotAfter = authority.When{Duration: time.Hour}
	fmt.Println(must(ca.Issue(ctx, r)).Leaf.DNSNames)
	// Output:
	// authority: decide: databases get two hours at most true
	// [db.internal]
}

// A provisioner of one's own is a function. This one knows two build agents by a secret. Each gets the
// one name that it may have, whatever its CSR says; what the function does not know, it refuses.
func Example_provisioner() {
	secrets := map[string]string{"agent-1.build.internal": "correct horse", "agent-2.build.internal": "battery staple"}
	agents := provisioner.Func("agents", func(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
		if r.Operation != provisioner.X509Sign {
			return nil, provisioner.Refuse(provisioner.NotAllowed, "operation", "agents get new certificates, and nothing else")
		}
		for name, secret := range secrets {
			if subtle.ConstantTimeCompare([]byte(r.Token), []byte(secret)) == 1 {
				return &provisioner.Grant{
					Subject: name, Names: provisioner.Names{DNS: []string{name}}, Validity: provisioner.Validity{Max: time.Hour},
				}, nil
			}
		}
		return nil, provisioner.Refuse(provisioner.Unauthenticated, "secret", "nobody has that secret")
	})
	ca := exampleCA(func(c *authority.Config) { c.Provisioners = []provisioner.Provisioner{agents} })

	csr := exampleRequest("agent-1.build.internal").CSR
	for _, secret := range []string{"correct horse", "battery staple", "guess"} {
		c, err := ca.Issue(context.Background(), &authority.Request{Provisioner: "agents", Token: secret, CSR: csr})
		if err != nil {
			fmt.Println(authority.KindOf(err))
			continue
		}
		fmt.Println(c.Leaf.DNSNames, c.Leaf.NotAfter.Sub(c.Leaf.NotBefore).Round(time.Hour))
	}
	// Output:
	// [agent-1.build.internal] 1h0m0s
	// [agent-2.build.internal] 1h0m0s
	// authority: unauthenticated
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ask serves on a free port of this machine for as long as one question takes. The client trusts root
// and knows the server as localhost.
func ask(s *http.Server, root *x509.Certificate, path string) string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(l, "", "") }()
	defer func() { s.Close(); <-done }()
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.DisableKeepAlives = nil, true
	t.TLSClientConfig.ServerName, t.TLSClientConfig.RootCAs = "localhost", x509.NewCertPool()
	t.TLSClientConfig.RootCAs.AddCert(root)
	res := must((&http.Client{Transport: t, Timeout: 10 * time.Second}).Get("https://" + l.Addr().String() + path))
	defer res.Body.Close()
	return strings.TrimSpace(string(must(io.ReadAll(res.Body))))
}

// exampleCA is the CA of the first example, with a provisioner that lets this program have any name.
func exampleCA(change func(*authority.Config)) *authority.Authority {
	key := kms.FromCrypto(must(kms.Generate(kms.ECDSAP256)))
	root := must(authority.SelfSign(context.Background(), authority.Root{Subject: pkix.Name{CommonName: "My Root"}}, key))
	c := authority.Config{
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "root", Chain: []*x509.Certificate{root}, Signer: key}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "us", AnyName: true}},
		Store:        authority.NewMemory(),
	}
	change(&c)
	return must(authority.New(c))
}

// exampleRequest is this program's own, for a new key.
func exampleRequest(name string) *authority.Request {
	key := must(kms.Generate(kms.ECDSAP256))
	csr := must(authority.NewRequest(key, "", provisioner.ParseNames([]string{name})))
	return &authority.Request{Provisioner: "us", Local: true, CSR: csr}
}
