package authority_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// Whatever becomes of a request, and whatever fails on the way, neither its token nor its CSR is in an
// error, an event, a log or an explanation.
func TestCredentialsStayInside(t *testing.T) {
	var log bytes.Buffer
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Sinks = append(c.Sinks, event.NewSlog(c.Logger))
	})
	leaf := ca.Leaf("old.internal")
	var said strings.Builder
	say := func(v ...any) { fmt.Fprintln(&said, v...) }
	var needles []string
	hide := func(r *authority.Request) {
		for part := range strings.SplitSeq(r.Token, ".") {
			if len(part) > 30 { // shorter ones are words
				needles = append(needles, part)
			}
		}
		if r.CSR != nil {
			sig := r.CSR.Signature[len(r.CSR.Signature)-24:]
			needles = append(needles, base64.StdEncoding.EncodeToString(r.CSR.Raw), hex.EncodeToString(sig), fmt.Sprint(sig), string(sig))
		}
	}
	for name, spoil := range spoiledRequests(t, ca) {
		for _, p := range append(authoritytest.Points(), "") {
			for _, fail := range []func(authoritytest.Point, int){ca.Faults.Fail, ca.Faults.FailAfter} {
				ca.Faults.Clear()
				r := spoil()
				hide(r)
				fail(p, 1)
				_, err := ca.Try(r)
				x := ca.Authority.Explain(t.Context(), r)
				require.NotNil(t, x)
				say(name, p, err, x.Steps, x.Err)

				v := &authority.RevokeRequest{Serial: authority.SerialOf(leaf.Leaf.SerialNumber), Token: r.Token}
				_, err = ca.Authority.Revoke(t.Context(), v)
				say(err)
			}
		}
	}
	for _, e := range ca.Events.Events() {
		b, err := json.Marshal(e)
		require.NoError(t, err)
		say(string(b))
	}
	require.NotEmpty(t, log.String())
	require.Greater(t, len(needles), 100)
	for _, n := range needles {
		require.False(t, strings.Contains(said.String(), n), "told: %q", n)
		require.False(t, strings.Contains(log.String(), n), "logged: %q", n)
	}
	ca.Check()
}

// spoiledRequests makes requests that end in many ways, one of them well.
func spoiledRequests(t *testing.T, ca *authoritytest.CA) map[string]func() *authority.Request {
	key := newKey(t, kms.ECDSAP256)
	with := func(token string, names ...string) *authority.Request {
		return &authority.Request{Token: token, CSR: ca.CSR(key, names...)}
	}
	audience := authoritytest.URL + "/1.0/renew"
	return map[string]func() *authority.Request{
		"good":      func() *authority.Request { return with(ca.Token("db.internal"), "db.internal") },
		"names":     func() *authority.Request { return with(ca.Token("db.internal"), "other.internal") },
		"audience":  func() *authority.Request { return with(ca.TokenFor("/1.0/revoke", "db.internal"), "db.internal") },
		"bad name":  func() *authority.Request { return with(ca.Token("a..b"), "a..b") },
		"signature": func() *authority.Request { return with(ca.Token("db.internal")+"AAAA", "db.internal") },
		"garbage":   func() *authority.Request { return with(strings.Repeat("s3cr3t-", 20), "db.internal") },
		"stranger":  func() *authority.Request { return with(authoritytest.New(t).Token("db.internal"), "db.internal") },
		"length": func() *authority.Request {
			r := with(ca.Token("db.internal"), "db.internal")
			r.NotAfter = authority.When{Duration: 1000 * time.Hour}
			return r
		},
		"renew": func() *authority.Request {
			token, err := authoritytest.RenewToken(ca.Leaf("r.internal"), audience)
			require.NoError(t, err)
			return &authority.Request{Operation: provisioner.X509Renew, Token: token}
		},
		"renew for others": func() *authority.Request {
			token, err := authoritytest.RenewToken(ca.Leaf("r.internal"), "https://elsewhere.test/renew")
			require.NoError(t, err)
			return &authority.Request{Operation: provisioner.X509Renew, Token: token}
		},
	}
}
