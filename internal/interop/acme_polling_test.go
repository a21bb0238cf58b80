package interop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme"
	acmeserver "github.com/chancery-ca/chancery/acme/server"
)

// unhurried is a validator that takes its time.
type unhurried struct{ acme.Validator }

func (u unhurried) Unwrap() acme.Validator { return u.Validator }

func (u unhurried) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	select {
	case <-time.After(1200 * time.Millisecond):
	case <-ctx.Done():
	}
	return u.Validator.Validate(ctx, c)
}

// A server that answers at once, and has nothing yet, keeps clients waiting for as long as it says, or so.
func TestACMEPolling(t *testing.T) {
	t.Parallel()
	const name = "slow.interop.test"
	for program, order := range map[string]func(l *acmeLab){
		"certbot": func(l *acmeLab) { l.user().certonly([]string{name}, l.certbotStandalone()...) },
		"lego":    func(l *acmeLab) { l.user().lego([]string{name}, l.legoHTTP()...) },
		"node":    func(l *acmeLab) { l.node().nodeRun(nil, nodeStep{Names: []string{name}, Challenge: "http-01"}) },
		"step":    func(l *acmeLab) { l.user().stepCertificate("slow", []string{name}, l.stepHTTP()...) },
		"caddy": func(l *acmeLab) {
			l.user().caddy([]string{name}, nil)
			l.served(name, "")
		},
		"go": func(l *acmeLab) {
			l.xorder(l.t.Context(), l.xclient(&xacme.Account{}), l.host(), "http-01", xacme.DomainIDs(name)...)
		},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			if program != "go" { // a library
				need(t, program)
			}
			l := newACMELab(t, acmeOptions{
				server:    func(c *acmeserver.Config) { c.Patience = -1 },
				validator: func(v acme.Validator) acme.Validator { return unhurried{v} },
			})
			order(l)
			require.Len(t, l.issued(), 1)
			polls, told := l.polls()
			t.Logf("%s: gaps between polls %v, told to wait %v", program, polls, told)
			require.NotEmpty(t, polls, "nobody had to wait")
			require.LessOrEqual(t, len(polls), 20)
		})
	}
}

// polls are the times that clients let pass between two requests for the same thing, when they were told to come back,
// and how long they were told to wait.
func (l *acmeLab) polls() (gaps, told []time.Duration) {
	last := map[string]acmeExchange{}
	for _, e := range l.requests("") {
		path := strings.TrimSuffix(e.path, "/finalize")
		if e.method != "POST" || strings.Contains(path, "/new-") {
			continue
		}
		if before, ok := last[path]; ok && before.retryAfter > 0 {
			gaps, told = append(gaps, e.begun.Sub(before.ended).Round(10*time.Millisecond)), append(told, before.retryAfter)
		}
		last[path] = e
	}
	return gaps, told
}
