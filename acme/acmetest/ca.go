package acmetest

import (
	"context"
	"crypto/x509"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
)

// DirectoryURL is where the CA's clients begin. Only [CA.Client] leads there.
const DirectoryURL = authoritytest.URL + "/acme/acme/directory"

// CA is an ACME server for the unit tests of ACME clients: in this process, in memory, without sockets. Its clock is the
// test's, so inside a testing/synctest bubble a night passes at once. Challenges are checked by the real validators in a
// [World] of the test's own making. Its methods are safe for concurrent use.
type CA struct {
	*authoritytest.CA // the authority behind it

	Server  *server.Server
	World   *World   // where challenges are answered
	Trouble *Trouble // what goes wrong

	client *http.Client
}

// New makes a CA that lives as long as the test. change may change the server's configuration.
func New(t testing.TB, change ...func(*server.Config)) *CA {
	t.Helper()
	ca := &CA{World: NewWorld(), Trouble: &Trouble{}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatalf("acmetest: %v", err)
		}
	}
	c := server.Config{Retries: []time.Duration{time.Second, 3 * time.Second}}
	var err error
	c.Validators, err = ca.World.validators(ca.Trouble)
	must(err)
	for _, f := range change {
		f(&c)
	}
	ca.Server, err = server.New(c)
	must(err)
	ca.CA = authoritytest.New(t, func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, ca.Server)
		c.Decide = func(ctx context.Context, d *authority.Decision) error {
			if d.Provisioner != ca.Server.Name() {
				return nil
			}
			return ca.Trouble.linger(ctx)
		}
	})
	ca.client = &http.Client{Transport: &troubled{ca.CA.HTTP(nil).Transport, ca.Trouble}}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = ca.Authority.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		work.Wait()
	})
	return ca
}

// Client returns a client whose requests the CA answers. Others fail.
func (ca *CA) Client() *http.Client { return ca.client }

// Roots returns the CA's root.
func (ca *CA) Roots() *x509.CertPool { return ca.Pool() }

// validators are the real ones, in the world.
func (w *World) validators(trouble *Trouble) ([]acme.Validator, error) {
	c := challenge.Config{Resolver: w, Dial: w.Dial}
	h, err := challenge.NewHTTP01(c)
	if err != nil {
		return nil, err
	}
	d, err := challenge.NewDNS01(c)
	if err != nil {
		return nil, err
	}
	a, err := challenge.NewTLSALPN01(c)
	if err != nil {
		return nil, err
	}
	var out []acme.Validator
	for _, v := range []acme.Validator{h, d, a} {
		out = append(out, &lenient{v, w, trouble})
	}
	return out, nil
}

// lenient is a validator that the world may tell to believe everybody.
type lenient struct {
	acme.Validator
	world   *World
	trouble *Trouble
}

// Unwrap returns the validator behind it.
func (v *lenient) Unwrap() acme.Validator { return v.Validator }

func (v *lenient) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := v.trouble.linger(ctx); err != nil {
		return nil, err
	}
	if v.world.believes() {
		return &acme.Evidence{}, nil
	}
	return v.Validator.Validate(ctx, c)
}
