package challenge_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

func rec(flag uint8, tag, value string) challenge.CAARecord {
	return challenge.CAARecord{Flag: flag, Tag: tag, Value: value}
}

func TestCAAProperties(t *testing.T) {
	issue := func(v ...string) (out []challenge.CAARecord) {
		for _, s := range v {
			out = append(out, rec(0, "issue", s))
		}
		return out
	}
	for _, c := range []struct {
		records         []challenge.CAARecord
		exact, wildcard bool
	}{
		{nil, true, true},
		{issue("ca.example"), true, true},
		{issue("CA.EXAMPLE"), true, true},
		{issue("  ca.example \t; "), true, true},
		{issue("other.example", "ca.example"), true, true},
		{issue("other.example"), false, false},
		{issue(""), false, false}, {issue(";"), false, false}, {issue(" ; "), false, false},
		{issue("sub.ca.example"), false, false}, {issue("example"), false, false}, {issue("ca.example."), false, false},
		{issue("ca.example other.example"), false, false}, {issue("ca.example\n"), false, false}, {issue("ca.example\x00"), false, false},
		{issue("ca..example"), false, false}, {issue("-ca.example"), false, false}, {issue("%%%%%"), false, false},
		{issue("\"ca.example\""), false, false}, {issue("c\u212a.example"), false, false},
		{[]challenge.CAARecord{rec(0, "ISSUE", "other.example")}, false, false},
		{[]challenge.CAARecord{rec(0, "issuewild", "ca.example")}, true, true},
		{[]challenge.CAARecord{rec(0, "issuewild", "other.example")}, true, false},
		{[]challenge.CAARecord{rec(0, "issuewild", ";"), rec(0, "issue", "ca.example")}, true, false},
		{[]challenge.CAARecord{rec(0, "IssueWild", "ca.example"), rec(0, "issue", ";")}, false, true},
		{[]challenge.CAARecord{rec(0, "iodef", "mailto:a@x")}, true, true},
		{[]challenge.CAARecord{rec(128, "iodef", "mailto:a@x"), rec(128, "issue", "ca.example")}, true, true},
		{[]challenge.CAARecord{rec(0, "new", "x")}, true, true},
		{[]challenge.CAARecord{rec(128, "new", "x")}, false, false},
		{[]challenge.CAARecord{rec(129, "new", "x"), rec(0, "issue", "ca.example")}, false, false},
		{[]challenge.CAARecord{rec(1, "new", "x")}, true, true}, // not the flag that it looks like: bit 0 is the first
		{[]challenge.CAARecord{rec(128, "", "")}, false, false},

		{issue("ca.example; accounturi=" + account), true, true},
		{issue("ca.example; accounturi=" + account + "4"), false, false},
		{issue("ca.example; accounturi="), false, false},
		{issue("ca.example; AccountURI=https://x"), false, false},
		{issue("ca.example; accounturi=" + account + "; accounturi=" + account), false, false},
		{issue("ca.example; accounturi=x", "ca.example; accounturi="+account), true, true},
		{issue("ca.example; validationmethods=dns-01"), true, true},
		{issue("ca.example; validationmethods=http-01,dns-01"), true, true},
		{issue("ca.example; validationmethods=http-01"), false, false},
		{issue("ca.example; validationmethods="), false, false},
		{issue("ca.example; validationmethods=dns-01,"), false, false},
		{issue("ca.example; validationmethods=dns-01, http-01"), false, false}, // no space in a value
		{issue("ca.example; validationmethods=dns_01,dns-01"), false, false},
		{issue("ca.example; validationmethods=DNS-01"), false, false},
		{issue("ca.example; validationmethods=http-01; accounturi=" + account), false, false},
		{issue("ca.example; unknown=1"), true, true},
		{issue("ca.example; unknown=1;"), false, false},
		{issue("ca.example; unknown"), false, false},
		{issue("ca.example; =1"), false, false},
		{issue("ca.example; a=b c=d"), false, false},
		{issue("ca.example; -a=b"), false, false},
	} {
		for wildcard, want := range map[bool]bool{false: c.exact, true: c.wildcard} {
			val := dnsName("a.b.example")
			val.Wildcard = wildcard
			err := challenge.CheckCAA(t.Context(), &names{caa: map[string][]challenge.CAARecord{"b.example": c.records}}, val, acme.DNS01)
			if want {
				require.NoError(t, err, "%v", c.records)
			} else {
				require.Error(t, err, "%v", c.records)
				problem(t, err, acme.CAA, "%%%", "other")
			}
		}
	}
}

func TestCAAClimbs(t *testing.T) {
	shut, open := []challenge.CAARecord{rec(0, "issue", ";")}, []challenge.CAARecord{rec(0, "issue", "ca.example")}
	r := &names{caa: map[string][]challenge.CAARecord{"example": shut, "b.example": open}, errs: map[string]error{"a.b.example": challenge.ErrNoName}}
	require.NoError(t, challenge.CheckCAA(t.Context(), r, dnsName("x.a.b.example"), acme.DNS01), "the nearest counts")
	require.Equal(t, []string{"x.a.b.example", "a.b.example", "b.example"}, r.asked)
	problem(t, challenge.CheckCAA(t.Context(), r, dnsName("c.example"), acme.DNS01), acme.CAA)
	require.NoError(t, challenge.CheckCAA(t.Context(), r, dnsName("x.org"), acme.DNS01))
	require.NotContains(t, r.asked, "")

	r.errs["b.example"] = errors.New("SECRET")
	problem(t, challenge.CheckCAA(t.Context(), r, dnsName("b.example"), acme.DNS01), acme.DNSProblem)
	r.errs["example"] = challenge.ErrUnsupported
	require.ErrorIs(t, challenge.CheckCAA(t.Context(), r, dnsName("example"), acme.DNS01), challenge.ErrUnsupported)

	require.NoError(t, challenge.CheckCAA(t.Context(), r, ipAddr("10.0.0.1"), acme.HTTP01))
	nameless := dnsName("x.org")
	nameless.Issuers = nil
	require.Error(t, challenge.CheckCAA(t.Context(), r, nameless, acme.DNS01))
	nameless.Issuers = []string{""}
	problem(t, challenge.CheckCAA(t.Context(), &names{caa: map[string][]challenge.CAARecord{"x.org": shut}}, nameless, acme.DNS01), acme.CAA)
}

// fixed is a validator that has made up its mind.
type fixed struct {
	kind acme.ChallengeType
	err  error
	seen int
}

func (f *fixed) Type() acme.ChallengeType       { return f.kind }
func (f *fixed) Offers(id acme.Identifier) bool { return id.Type == acme.DNS }
func (f *fixed) Validate(_ context.Context, c *acme.Validation) (*acme.Evidence, error) {
	f.seen++
	c.Token = "changed"
	if f.err != nil {
		return nil, f.err
	}
	return &acme.Evidence{Address: string(f.kind)}, nil
}

func TestWithCAA(t *testing.T) {
	c := client(t, zone(t, `shut.example. 1 IN CAA 0 issue ";"`, `open.example. 1 IN CAA 0 issue "ca.example; validationmethods=dns-01"`,
		`methods.example. 1 IN CAA 0 issue "ca.example; validationmethods=http-01"`, `alias.example. 1 IN CNAME shut.example.`))
	inner := &fixed{kind: acme.DNS01}
	v := challenge.WithCAA(inner, c)
	require.Equal(t, acme.DNS01, v.Type())
	require.Equal(t, acme.Validator(inner), v.(interface{ Unwrap() acme.Validator }).Unwrap())
	for name, ok := range map[string]bool{"open.example": true, "none.example": true, "shut.example": false, "a.b.shut.example": false, "methods.example": false, "alias.example": false} {
		e, err := v.Validate(t.Context(), dnsName(name))
		if ok {
			require.NoError(t, err, name)
			require.Equal(t, "dns-01", e.Address)
			continue
		}
		require.Nil(t, e)
		problem(t, err, acme.CAA)
	}
	inner.err = errors.New("no")
	_, err := v.Validate(t.Context(), dnsName("open.example"))
	require.ErrorIs(t, err, inner.err)
}

func TestQuorum(t *testing.T) {
	no := &acme.Problem{Type: acme.Connection, Detail: "SECRET"}
	ours := errors.New("out of order")
	for name, c := range map[string]struct {
		failing int
		here    error
		remotes []error
		kind    acme.ProblemType // "" is success, "ours" no problem
	}{
		"all":               {0, nil, []error{nil, nil}, ""},
		"one may fail":      {1, nil, []error{nil, no, nil}, ""},
		"one too many":      {1, nil, []error{no, no, nil}, acme.Connection},
		"none may fail":     {0, nil, []error{nil, no}, acme.Connection},
		"here is a must":    {1, &acme.Problem{Type: acme.DNSProblem}, []error{nil, nil}, acme.DNSProblem},
		"faults count":      {0, nil, []error{ours, nil}, "ours"},
		"faults and wrongs": {0, nil, []error{ours, no}, acme.Connection},
	} {
		t.Run(name, func(t *testing.T) {
			var remotes []acme.Validator
			for _, err := range c.remotes {
				remotes = append(remotes, &fixed{kind: acme.DNS01, err: err})
			}
			q, err := challenge.NewQuorum(c.failing, &fixed{kind: acme.DNS01, err: c.here}, remotes...)
			require.NoError(t, err)
			require.Equal(t, acme.DNS01, q.Type())
			require.True(t, q.Offers(dnsName("x.example").Identifier))
			require.False(t, q.Offers(ipAddr("10.0.0.1").Identifier))
			e, err := q.Validate(t.Context(), dnsName("x.example"))
			switch c.kind {
			case "":
				require.NoError(t, err)
				require.NotNil(t, e)
			case "ours":
				require.ErrorIs(t, err, ours)
				require.Nil(t, e)
			default:
				problem(t, err, c.kind)
				require.Nil(t, e)
			}
			if c.here != nil {
				require.Zero(t, remotes[0].(*fixed).seen, "nobody else is asked")
			}
		})
	}
	one := &fixed{kind: acme.DNS01}
	for _, f := range []func() (*challenge.Quorum, error){
		func() (*challenge.Quorum, error) { return challenge.NewQuorum(0, one) },
		func() (*challenge.Quorum, error) { return challenge.NewQuorum(0, nil, one) },
		func() (*challenge.Quorum, error) { return challenge.NewQuorum(0, one, nil) },
		func() (*challenge.Quorum, error) { return challenge.NewQuorum(1, one, one) },
		func() (*challenge.Quorum, error) { return challenge.NewQuorum(-1, one, one) },
		func() (*challenge.Quorum, error) { return challenge.NewQuorum(0, one, &fixed{kind: acme.HTTP01}) },
	} {
		_, err := f()
		require.Error(t, err)
	}
}
