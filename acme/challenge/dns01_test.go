package challenge_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

func digest() string {
	h := sha256.Sum256([]byte(keyAuth))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func TestDNS01(t *testing.T) {
	c := client(t, zone(t,
		`_acme-challenge.ok.example. 1 IN TXT "other"`, `_acme-challenge.ok.example. 1 IN TXT "`+digest()[:20]+`" "`+digest()[20:]+`"`,
		`_acme-challenge.alias.example. 1 IN CNAME x.elsewhere.example.`, `x.elsewhere.example. 1 IN TXT "`+digest()+`"`,
		`_acme-challenge.wrong.example. 1 IN TXT "SECRET"`, `_acme-challenge.padded.example. 1 IN TXT "`+digest()+`="`, `_acme-challenge.upper.example. 1 IN TXT "`+digest()+` "`,
		`_acme-challenge.empty.example. 1 IN A 10.0.0.1`, `_`+challenge.AccountLabel(account)+`._acme-challenge.ok.example. 1 IN TXT "`+digest()+`"`,
	))
	v, err := challenge.NewDNS01(challenge.Config{Resolver: c})
	require.NoError(t, err)
	own, err := challenge.NewDNSAccount01(challenge.Config{Resolver: c})
	require.NoError(t, err)
	for _, name := range []string{"ok.example", "alias.example"} {
		_, err = v.Validate(t.Context(), dnsName(name))
		require.NoError(t, err, name)
	}
	for name, kind := range map[string]acme.ProblemType{"wrong.example": acme.IncorrectResponse, "padded.example": acme.IncorrectResponse,
		"upper.example": acme.IncorrectResponse, "empty.example": acme.Unauthorized, "nowhere.example": acme.DNSProblem} {
		e, err := v.Validate(t.Context(), dnsName(name))
		require.Nil(t, e)
		problem(t, err, kind)
	}
	_, err = own.Validate(t.Context(), dnsName("ok.example"))
	require.NoError(t, err)
	other := dnsName("ok.example")
	other.AccountURL = "https://ca.example/acct/124"
	_, err = own.Validate(t.Context(), other)
	problem(t, err, acme.DNSProblem)
	other.AccountURL = ""
	_, err = own.Validate(t.Context(), other)
	require.Error(t, err)
	for _, d := range []acme.Validator{v, own} {
		require.True(t, d.Offers(acme.Identifier{Type: acme.DNS, Value: "*.ok.example"}))
		require.False(t, d.Offers(acme.Identifier{Type: acme.IP, Value: "10.0.0.1"}))
		_, err = d.Validate(t.Context(), ipAddr("10.0.0.1"))
		require.Error(t, err)
	}
}

// The example of draft-ietf-acme-dns-account-label.
func TestAccountLabel(t *testing.T) {
	require.Equal(t, "ujmmovf2vn55tgye", challenge.AccountLabel("https://example.com/acme/acct/ExampleAccount"))
}

func TestDNS01Limits(t *testing.T) {
	many := make([]string, 300)
	many[299] = digest()
	v, err := challenge.NewDNS01(challenge.Config{Resolver: &names{txt: map[string][]string{"_acme-challenge.x.example": many},
		errs: map[string]error{"_acme-challenge.y.example": errors.New("SECRET")}}})
	require.NoError(t, err)
	for _, name := range []string{"x.example", "y.example"} {
		_, err = v.Validate(t.Context(), dnsName(name))
		problem(t, err, acme.DNSProblem)
	}
}

const prefix = "https://ca.example/account-hash/"

// The examples of draft-ietf-acme-dns-persist-02, section 10.2.
func TestHashedAccountURI(t *testing.T) {
	require.Equal(t, prefix+"sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw", challenge.HashedAccountURI(prefix, "example.com", thumb, account))
	require.Equal(t, prefix+"sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug", challenge.HashedAccountURI(prefix, "*", thumb, account))
}

func TestDNSPersist01(t *testing.T) {
	hashed, any := challenge.HashedAccountURI(prefix, "x.example", thumb, account), challenge.HashedAccountURI(prefix, "*", thumb, account)
	elsewhere := challenge.HashedAccountURI(prefix, "y.example", thumb, account)
	for _, c := range []struct {
		txt             string
		exact, wildcard bool
	}{
		{"ca.example; accounturi=" + hashed, true, false},
		{"ca.example;accounturi=" + any, true, false},
		{"\tCA.Example ; accounturi = " + hashed + " ; policy=WildCard ", true, true},
		{"ca.example; accounturi=" + account + "; policy=wildcard", true, true},
		{"ca.example; accounturi=" + hashed + "; policy=other", true, false},
		{"ca.example; accounturi=" + hashed + "; new-thing=1; policy=wildcard", true, true},
		{"ca.example; accounturi=" + hashed + "; persistUntil=946684800", true, false}, // now, in the bubble
		{"ca.example; accounturi=" + hashed + "; persistUntil=946684799", false, false},
		{"ca.example; accounturi=" + hashed + "; PERSISTUNTIL=1", false, false},
		{"ca.example; accounturi=" + hashed + "; persistUntil=-1", false, false},
		{"ca.example; accounturi=" + hashed + "; persistUntil=", false, false},
		{"ca.example; accounturi=" + hashed + "; persistUntil=+946684900", false, false},
		{"ca.example; accounturi=" + hashed + "; persistUntil=0x7fffffff", false, false},
		{"ca.example; accounturi=" + hashed + "; persistUntil=9999999999.0", false, false},
		{"ca.example; accounturi=" + hashed + "; persistUntil=99999999999999999999", false, false},
		{"ca.example; accounturi=" + hashed + "; persistUntil=1000000000; persistUntil=1", false, false},
		{"ca.example; accounturi=" + hashed + "; accounturi=" + hashed, false, false},
		{"ca.example; accounturi=" + hashed + ";", false, false},
		{"ca.example; accounturi=" + hashed + "; policy", false, false},
		{"ca.example; accounturi=" + elsewhere, false, false},
		{"ca.example; accounturi=" + account + "0", false, false},
		{"ca.example; accounturi=HTTPS://ca.example/acct/123", false, false},
		{"ca.example; accounturi=", false, false},
		{"ca.example", false, false}, {"ca.example;", false, false}, {"", false, false}, {";accounturi=" + hashed, false, false},
		{"ca.example.; accounturi=" + hashed, false, false},
		{"evil.example; accounturi=" + hashed, false, false},
		{"ca.example evil.example; accounturi=" + hashed, false, false},
		{"ca.example; accounturi=" + hashed + " x", false, false},
		{"ca.example; accounturi=" + hashed + "\x00", false, false},
		{"ca.example, accounturi=" + hashed, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &names{txt: map[string][]string{"_validation-persist.x.example": {"v=spf1 SECRET", c.txt, "other.example; accounturi=SECRET"}}}
			v, err := challenge.NewDNSPersist01(challenge.Config{Resolver: r, AccountHashPrefixes: []string{prefix}, PlainAccountURI: true})
			require.NoError(t, err)
			for wildcard, want := range map[bool]bool{false: c.exact, true: c.wildcard} {
				val := dnsName("x.example")
				val.Wildcard, val.Token, val.KeyAuthorization = wildcard, "", ""
				_, err = v.Validate(t.Context(), val)
				if want {
					require.NoError(t, err, "%q", c.txt)
				} else {
					problem(t, err, acme.Unauthorized, "evil", "999")
				}
			}
		})
	}
}

func TestDNSPersist01Evidence(t *testing.T) {
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	hashed := challenge.HashedAccountURI(prefix, "x.example", thumb, account)
	r := &names{txt: map[string][]string{"_validation-persist.x.example": {fmt.Sprintf("ca.example; accounturi=%s; persistUntil=%d", hashed, until.Unix())},
		"_validation-persist.plain.example": {"ca.example; accounturi=" + account}}}
	v, err := challenge.NewDNSPersist01(challenge.Config{Resolver: r, AccountHashPrefixes: []string{prefix}})
	require.NoError(t, err)
	e, err := v.Validate(t.Context(), dnsName("x.example"))
	require.NoError(t, err)
	require.Equal(t, hashed, e.Data["accounturi"])
	require.True(t, until.Equal(e.Data["persistUntil"].(time.Time)))
	_, err = v.Validate(t.Context(), dnsName("plain.example"))
	problem(t, err, acme.Unauthorized)
	_, err = v.Validate(t.Context(), dnsName("nowhere.example"))
	problem(t, err, acme.DNSProblem)
	nameless := dnsName("x.example")
	nameless.Issuers = nil
	_, err = v.Validate(t.Context(), nameless)
	require.Error(t, err)
	_, isProblem := errors.AsType[*acme.Problem](err)
	require.False(t, isProblem)
}
