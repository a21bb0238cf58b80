package server_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
)

// Whichever call to the store fails, before or after it took effect, a client that goes on gets one certificate for
// its order, and the workers take up what was left. What a client is told fits what the store has.
func TestFaults(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := range int64(14) {
			t.Run(fmt.Sprint("call ", n, " after=", after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { outlast(t, n, after) })
			})
		}
	}
}

func outlast(t *testing.T, n int64, after bool) {
	var calls atomic.Int64
	calls.Store(-1000)
	f := &acmetest.Faulty{Store: acme.NewMemory(), On: func(_ string, apply func() error) error {
		if calls.Add(1) != n+1 {
			return apply()
		}
		if after {
			_ = apply()
		}
		return errors.Join(authority.ErrUnavailable, errors.New("injected"))
	}}
	l := newLab(t, func(c *server.Config) { c.Store = f })
	go func() { _ = l.ca.Authority.Run(t.Context()) }()
	c := l.client()
	name := l.fresh()
	csr := c.csr(name)
	calls.Store(0)
	deadline := time.Now().Add(30 * time.Minute)
	seen := map[string]bool{}
	var o obj
	for o.Status != "valid" {
		require.True(t, time.Now().Before(deadline), "order is %q", o.Status)
		o = c.step(name, csr)
		if o.at != "" {
			seen[o.at] = true
		}
		time.Sleep(time.Second)
	}
	w := c.post(o.Certificate, nil)
	if w.Code != 200 { // the fault
		w = c.post(o.Certificate, nil)
	}
	leafOf(t, w)
	byOrder := map[string]int{}
	page, err := l.ca.Authority.Certificates(t.Context(), authority.Query{Provisioner: "acme"})
	require.NoError(t, err)
	for _, r := range page.Records {
		require.Equal(t, authority.Issued, r.Status)
		byOrder[r.RequestID]++
	}
	for id, n := range byOrder {
		require.Equal(t, 1, n, id)
		require.True(t, seen[base+"/order/"+id], "a certificate for an order that nobody heard of")
	}
	require.Len(t, byOrder, 1)
}

// step does what is next, and returns the order as it is then; the zero one after a fault.
func (c *client) step(name string, csr any) (o obj) {
	w := c.post(base+"/new-order", ids(name))
	if w.Code != 201 {
		require.Equal(c.l.t, 503, w.Code, w.Body)
		return o
	}
	o = c.l.obj(w)
	for i := 0; o.Status != "valid" && i < 200; i++ {
		var u string
		var payload any
		switch o.Status {
		case "pending":
			w = c.post(o.Authorizations[0], nil)
			if w.Code == 200 {
				if a := c.l.obj(w); a.Status == "pending" && a.Challenges[0].Status == "pending" {
					u, payload = a.Challenges[0].URL, "{}"
				}
			}
		case "ready":
			u, payload = o.Finalize, csr
		case "processing":
		default:
			return o
		}
		if u != "" {
			c.post(u, payload)
		}
		time.Sleep(time.Second)
		at := o.at
		if w = c.post(at, nil); w.Code == 200 {
			o = c.l.obj(w)
		}
	}
	return o
}
