package otelhook_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/otelhook"
	"github.com/chancery-ca/chancery/provisioner"
)

func TestOperations(t *testing.T) {
	l := newLab(t)
	ca := l.ca()
	serial := ca.Issue(issue(ca, "db.internal")).Record.Serial
	ca.Faults.Fail(authoritytest.Sign, 1)
	_, err := ca.Try(issue(ca, "db.internal"))
	require.ErrorIs(t, err, authority.Unavailable)
	_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: serial, Local: true})
	require.NoError(t, err)

	got := l.collect()
	took := got["chancery.operation.duration"]
	require.EqualValues(t, 1, took.one(t, "chancery.operation=x509/sign chancery.provisioner=test"))
	require.EqualValues(t, 1, took.one(t, "chancery.error.kind=unavailable chancery.operation=x509/sign chancery.provisioner=test"))
	require.EqualValues(t, 1, took.one(t, "chancery.operation=x509/revoke chancery.provisioner=test"))
	done := got["chancery.operation.done"]
	require.EqualValues(t, 1, done.one(t, "chancery.issuer=intermediate chancery.operation=x509/sign chancery.provisioner=test"))
	require.EqualValues(t, 1, done.one(t, "chancery.issuer=intermediate chancery.operation=x509/revoke chancery.provisioner=test"))
	require.EqualValues(t, 1, got["chancery.operation.errors"].one(t,
		"chancery.error.kind=unavailable chancery.operation=x509/sign chancery.provisioner=test chancery.step=sign error.type=signer"))
	require.Zero(t, got["chancery.operation.active"].one(t, "chancery.operation=x509/sign"))
	steps := got["chancery.step.duration"]
	require.EqualValues(t, 2, steps.one(t, "chancery.operation=x509/sign chancery.step=sign"))
	require.EqualValues(t, 1, steps.one(t, "chancery.operation=x509/sign chancery.step=compare"))
}

func TestSpans(t *testing.T) {
	l := newLab(t)
	ca := l.ca()
	ca.Issue(issue(ca, "db.internal"))
	root := l.root(codes.Unset)
	require.Equal(t, "x509/sign", root.Name())
	var names []string
	for _, s := range l.spans.Ended() {
		if s.SpanContext().SpanID() == root.SpanContext().SpanID() {
			continue
		}
		names = append(names, s.Name())
		require.Equal(t, root.SpanContext().SpanID(), s.Parent().SpanID(), s.Name())
		require.Equal(t, codes.Unset, s.Status().Code, s.Name())
		require.False(t, s.StartTime().Before(root.StartTime()), s.Name())
		require.False(t, s.EndTime().After(root.EndTime()), s.Name())
	}
	for _, name := range []string{"authenticate", "look up", "decide", "render", "check", "reserve", "sign", "compare", "commit"} {
		require.Contains(t, names, "step/"+name)
	}
	require.Subset(t, names, []string{"store/Reserve", "signer/Sign", "store/Commit"})
}

// A span tells what failed and where, and nothing that came with the request.
func TestSpanOfFailure(t *testing.T) {
	l := newLab(t)
	ca := l.ca()
	token := ca.Token("db.internal")
	ca.Faults.Fail(authoritytest.Reserve, 1)
	r := issue(ca, "db.internal")
	r.Token, r.Local, r.Provisioner = token, false, ""
	_, err := ca.Try(r)
	require.Error(t, err)
	root := l.root(codes.Error)
	require.Equal(t, "unavailable", root.Status().Description)
	failed := 0
	for _, s := range l.spans.Ended() {
		if strings.HasPrefix(s.Name(), "step/") && s.Status().Code == codes.Error {
			failed++
			require.Equal(t, "step/reserve", s.Name())
		}
		all := fmt.Sprint(s.Name(), s.Status(), s.Attributes(), s.Events())
		for _, secret := range append(strings.Split(token, "."), "db.internal", "injected") {
			require.NotContains(t, all, secret)
		}
	}
	require.Equal(t, 1, failed)
}

// root returns the only span without a parent, whose status is to be that one.
func (l *lab) root(c codes.Code) (root sdktrace.ReadOnlySpan) {
	l.t.Helper()
	for _, s := range l.spans.Ended() {
		if !s.Parent().IsValid() {
			require.Nil(l.t, root, "a second span has no parent: %s", s.Name())
			root = s
		}
	}
	require.NotNil(l.t, root)
	require.Equal(l.t, c, root.Status().Code)
	return root
}

// Whoever can reach the CA can write any provisioner's name into a request.
func TestClientsMakeNoAttributes(t *testing.T) {
	l := newLab(t)
	ca := l.ca()
	ask := func(name string) {
		r := issue(ca, "db.internal")
		r.Provisioner, r.Local, r.Token = name, false, "x"
		_, err := ca.Try(r)
		require.Error(t, err)
	}
	for n := range 200 {
		ask(fmt.Sprintf("mallory-%d", n))
	}
	ask(authoritytest.Local)
	const refused = "chancery.error.kind=unauthenticated chancery.operation=x509/sign chancery.provisioner="
	errors := l.collect()["chancery.operation.duration"]
	require.LessOrEqual(t, len(errors.points), 2, "%+v", errors.points)
	for _, p := range errors.points {
		require.Equal(t, "_OTHER", p.get("chancery.provisioner"), "nobody has told the hook of any name yet")
	}

	w, err := l.hook.Watch(ca.Authority, otelhook.WatchOptions{})
	require.NoError(t, err)
	defer w.Close()
	ask(authoritytest.JWK)
	ask("mallory")
	for _, p := range l.collect()["chancery.operation.errors"].points {
		require.Contains(t, []string{authoritytest.JWK, "_OTHER"}, p.get("chancery.provisioner"))
	}
	require.EqualValues(t, 1, l.collect()["chancery.operation.duration"].one(t, refused+authoritytest.JWK))
	for _, s := range l.spans.Ended() {
		require.NotContains(t, fmt.Sprint(s.Attributes()), "mallory")
	}
}

func TestWhatIsMadeUpIsBounded(t *testing.T) {
	l := newLab(t)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 500 {
				_, o := l.hook.Begin(t.Context(), provisioner.Operation(fmt.Sprint("op", n)))
				o.End(authority.Outcome{Err: &authority.Error{Kind: authority.Kind(fmt.Sprint(n)), Code: fmt.Sprintf("code-%d-%d", g, n)}})
				_, o = l.hook.Begin(t.Context(), provisioner.X509Sign)
				o.End(authority.Outcome{Provisioner: fmt.Sprintf("p-%d-%d", g, n)})
			}
		})
	}
	wg.Wait()
	_, o := l.hook.Begin(t.Context(), provisioner.X509Sign)
	o.End(authority.Outcome{Err: &authority.Error{Kind: authority.Denied, Code: "Bearer eyJhbGciOi"}})
	got := l.collect()
	require.Len(t, got["chancery.operation.errors"].points, 202, "200 codes, and two sets for all else")
	require.Len(t, got["chancery.operation.done"].points, 1001)
	for _, p := range got["chancery.operation.errors"].points {
		require.NotContains(t, p.get("error.type"), "Bearer")
		require.Contains(t, []string{"_OTHER", "denied"}, p.get("chancery.error.kind"))
		require.Contains(t, []string{"_OTHER", "x509/sign"}, p.get("chancery.operation"))
	}
}

func TestWithoutProviders(t *testing.T) {
	hook, err := otelhook.New(otelhook.Options{})
	require.NoError(t, err)
	l := &lab{t: t, hook: hook}
	ca := l.ca()
	w, err := hook.Watch(ca.Authority, otelhook.WatchOptions{Sinks: []string{"audit"}})
	require.NoError(t, err)
	ca.Issue(issue(ca, "db.internal"))
	require.NoError(t, w.Close())
}
