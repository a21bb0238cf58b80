package acmetest

import (
	"context"
	"crypto/x509"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
)

// DirectoryURL is where a CA's clients begin. Only [CA.Client] leads there.
const DirectoryURL = authoritytest.URL + "/acme/acme/directory"

// CA is an ACME server for the unit tests of ACME clients: in this process, in memory, without sockets. Its clock is the
// test's, so inside a testing/synctest bubble a night passes at once. Its methods are safe for concurrent use.
//
// Challenges are checked by the real validators, in a [World] of the test's own making; or by a function, with
// [CA.Judge]; or not at all, with [World.Believe].
type CA struct {
	*authoritytest.CA // the authority behind it

	Server  *server.Server
	World   *World   // where challenges are answered
	Trouble *Trouble // what goes wrong

	DirectoryURL string // of this one: the constant of that name, unless the configuration has another Name

	t       testing.TB
	client  *http.Client
	answers *answers
}

// New makes a CA that lives as long as the test. change may change the server's configuration. Requests are answered with
// "processing" if a validation or a certificate takes longer than half a second.
func New(t testing.TB, change ...func(*server.Config)) *CA {
	t.Helper()
	ca := &CA{World: NewWorld(), Trouble: &Trouble{}, t: t}
	ca.answers = &answers{world: ca.World, files: map[string]string{}, failing: map[string]bool{}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatalf("acmetest: %v", err)
		}
	}
	c := server.Config{Patience: time.Second / 2, Validations: 4}
	var err error
	c.Validators, err = ca.answers.validators(ca.Trouble)
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
			return ca.Trouble.issue(ctx, d.RequestID)
		}
	})
	base := authoritytest.URL + "/" + ca.Server.Path()
	ca.DirectoryURL = base + "/directory"
	ca.client = &http.Client{Transport: &troubled{ca.CA.HTTP(nil).Transport, base, ca.Trouble}}
	ctx, cancel := context.WithCancel(context.Background())
	up := &crew{Context: ctx, there: make(chan struct{})}
	var work sync.WaitGroup
	work.Go(func() { _ = ca.Server.Work(up, ca.Authority) })
	t.Cleanup(func() {
		cancel()
		work.Wait()
	})
	<-up.there // without workers, requests do the work, and nothing is ever "processing"
	return ca
}

// Client returns a client whose requests the CA answers. Others fail.
func (ca *CA) Client() *http.Client { return ca.client }

// Roots returns the CA's root.
func (ca *CA) Roots() *x509.CertPool { return ca.Pool() }

// crew is the context of the server's workers. It tells when the first of them is there: that looks whether it should go.
type crew struct {
	context.Context
	once  sync.Once
	there chan struct{}
}

func (c *crew) Done() <-chan struct{} {
	c.once.Do(func() { close(c.there) })
	return c.Context.Done()
}
