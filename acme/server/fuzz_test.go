package server_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/chancery-ca/chancery/acme"
)

// FuzzRequestBody sends payloads with good signatures to every resource. Whatever they say is answered, with a nonce,
// and is no fault of the server's.
func FuzzRequestBody(f *testing.F) {
	if seeds, err := os.ReadDir("testdata/fuzz/" + f.Name()); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	l := newLab(f)
	c := l.client()
	o, _ := c.ready()
	pending := c.order(l.fresh())
	a := l.obj(c.post(pending.Authorizations[0], nil))
	urls := []string{
		base + "/new-account", base + "/new-order", base + "/revoke-cert", base + "/key-change", c.kid, c.kid + "/orders",
		o.at, o.Finalize, o.Authorizations[0], a.Challenges[0].URL, base + "/certificate/" + o.at[len(base+"/order/"):],
	}
	stranger := l.stranger()
	f.Fuzz(func(t *testing.T, where byte, payload []byte) {
		if len(payload) > 30<<10 {
			return
		}
		u := urls[int(where)%len(urls)]
		who := c
		if u == base+"/new-account" {
			who = stranger
		}
		var status struct{ Status string }
		if json.Unmarshal(payload, &status) == nil && status.Status == "deactivated" {
			return // the account is needed for what follows
		}
		w := who.post(u, string(payload))
		if len(w.Header().Values("Replay-Nonce")) != 1 {
			t.Fatalf("%s: no nonce", u)
		}
		if w.Code >= 500 {
			t.Fatalf("%s: %d %s", u, w.Code, w.Body)
		}
		if w.Code >= 400 {
			var p acme.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Type == "" {
				t.Fatalf("%s: %d %q", u, w.Code, w.Body)
			}
		}
	})
}
