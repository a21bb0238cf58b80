package stepconfig

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
)

// published is a ca.json with a CRL and a plain HTTP listener.
func published(t *testing.T, change ...func(map[string]any)) string {
	return edit(t, "plain", func(m map[string]any) {
		m["insecureAddress"], m["crl"] = "127.0.0.1:9080", map[string]any{"enabled": true, "cacheDuration": "12h", "renewPeriod": "1h"}
		for _, c := range change {
			c(m)
		}
	})
}

// points is what certificates carry.
func points(t *testing.T, f *File, address string) (authority.Pointers, error) {
	c, all := &authority.Config{Issuers: []authority.Issuer{{Name: "intermediate/1"}}}, faults{}
	f.addPointers(c, address, &all)
	return c.Issuers[0].Pointers, all.err()
}

func TestPointers(t *testing.T) {
	f, err := load(published(t), "")
	require.NoError(t, err)
	require.Equal(t, CRL{Enabled: true, Validity: 12 * time.Hour, Interval: time.Hour}, f.CRL)
	p, err := points(t, f, f.Insecure)
	require.NoError(t, err)
	require.Zero(t, p, "nobody asked for any")

	f, err = load(published(t), `{"revocation": {"ocsp": true, "pointers": {}}}`)
	require.NoError(t, err)
	require.True(t, f.OCSP)
	p, err = points(t, f, f.Insecure)
	require.NoError(t, err)
	require.Equal(t, authority.Pointers{
		CRLDistributionPoints:  []string{"http://localhost:9080/crl/intermediate%2F1.crl"},
		OCSPServers:            []string{"http://localhost:9080/ocsp"},
		IssuingCertificateURLs: []string{"http://localhost:9080/issuers/intermediate%2F1.cer"},
	}, p)
	p, err = points(t, f, "127.0.0.1:80")
	require.NoError(t, err)
	require.Equal(t, []string{"http://localhost/ocsp"}, p.OCSPServers)

	f, err = load(published(t), `{"revocation": {"shards": 8, "delta": true, "deltaValidity": "30m",
		"pointers": {"url": "http://pki.example/", "issuers": ["http://other.example/ca.cer"]}}}`)
	require.NoError(t, err)
	require.Equal(t, 30*time.Minute, f.CRL.DeltaValidity)
	p, err = points(t, f, f.Insecure)
	require.NoError(t, err)
	require.Equal(t, authority.Pointers{
		CRLDistributionPoints: []string{"http://pki.example/crl/intermediate%2F1/{shard}.crl"}, Shards: 8,
		FreshestCRL:            []string{"http://pki.example/crl/intermediate%2F1/{shard}/delta.crl"},
		IssuingCertificateURLs: []string{"http://other.example/ca.cer"},
	}, p)

	// step-ca's own setting says where its CRL is.
	f, err = load(published(t, put("idpURL", "http://crl.example/1.0/crl", "crl")), `{"revocation": {"pointers": {"url": "http://pki.example"}}}`)
	require.NoError(t, err)
	p, err = points(t, f, "")
	require.NoError(t, err)
	require.Equal(t, []string{"http://crl.example/1.0/crl"}, p.CRLDistributionPoints)
	require.Contains(t, strings.Join(f.Warnings, "\n"), "crl.idpURL")

	f, err = load(published(t, put("insecureAddress", "")), "{\n\"revocation\": {\n\"pointers\": {}}}")
	require.NoError(t, err)
	_, err = points(t, f, f.Insecure)
	require.ErrorContains(t, err, "chancery.json:3: revocation.pointers: no URL is known")
}

func TestCRLSection(t *testing.T) {
	for text, want := range map[string]CRL{
		`{}`: {}, `{"enabled": false, "cacheDuration": "1h"}`: {}, `{"enabled": true}`: {Enabled: true},
		`{"enabled": true, "generateOnRevoke": true}`:  {Enabled: true},
		`{"enabled": true, "generateOnRevoke": false}`: {Enabled: true, Scheduled: true},
	} {
		n, err := parseJSON("ca.json", []byte(`{"crl": `+text+`}`))
		require.NoError(t, err)
		var all faults
		f := &File{}
		f.readCRL(open(n, &all).section("crl"))
		require.NoError(t, all.err())
		require.Equal(t, want, f.CRL, text)
	}
}

func TestUpkeep(t *testing.T) {
	f, err := load(fromStep(t, "plain"), `{"signAudienceMayRevoke": true, "notices": {"certificates": ["72h", "24h"], "issuers": "1000h"},
		"retention": {"certificates": "2160h", "events": "48h"}}`)
	require.NoError(t, err)
	var c authority.Config
	f.upkeep.apply(&c)
	require.Equal(t, authority.Config{
		AcceptSignAudienceForRevoke: true, ExpiryNotices: []time.Duration{72 * time.Hour, 24 * time.Hour}, IssuerNotice: 1000 * time.Hour,
		Retention: 2160 * time.Hour, EventRetention: 48 * time.Hour,
	}, c)
}

func TestSinks(t *testing.T) {
	f, err := load(fromStep(t, "plain"), `{"sinks": {
		"audit": {"type": "file", "path": "audit.jsonl", "holdAfter": "1m"},
		"hook": {"type": "webhook", "url": "https://x.example/h", "secretFiles": ["secrets/hook", "/etc/hook"], "mode": "binary",
			"events": ["certificate.issued", "certificate.revoked"], "giveUp": "48h"},
		"bus": {"type": "nats", "url": "tls://n.example", "prefix": "ca", "stream": "EVENTS", "credentialsFile": "secrets/nats", "rootFile": "certs/nats.crt"},
		"log": {"type": "syslog", "address": "log.example:6514", "facility": 13, "rootFile": "/etc/log.crt"}}}`)
	require.NoError(t, err)
	require.Len(t, f.Sinks, 4)
	bus, log := f.Sinks[2], f.Sinks[3]
	bus.at, log.at = nil, nil
	require.Equal(t, Sink{Name: "bus", Kind: "nats", URL: "tls://n.example", Prefix: "ca", Stream: "EVENTS", CredentialsFile: "/ca/secrets/nats", RootFile: "/ca/certs/nats.crt"}, bus)
	require.Equal(t, Sink{Name: "log", Kind: "syslog", Address: "log.example:6514", Facility: 13, RootFile: "/etc/log.crt"}, log)
	audit, hook := f.Sinks[0], f.Sinks[1]
	require.Equal(t, "/ca/audit.jsonl", audit.Path)
	require.Equal(t, time.Minute, audit.HoldAfter)
	require.Equal(t, []string{"/ca/secrets/hook", "/etc/hook"}, hook.SecretFiles)
	require.Equal(t, []event.Type{event.CertificateIssued, event.CertificateRevoked}, hook.Types)
	require.True(t, hook.Binary)
	require.Equal(t, 48*time.Hour, hook.GiveUp)
	fault := Faults(hook.Fault("url", errors.New("no")))[0]
	require.Equal(t, "sinks.hook.url", fault.Path)
	require.Equal(t, 3, fault.Line)
	require.Equal(t, "sinks.hook", Faults(hook.Fault("", errors.New("no")))[0].Path)
}

func TestOwnRefuses(t *testing.T) {
	ca := published(t)
	for text, want := range map[string]string{
		`{"revocation": {"oscp": true}}`:                                             "revocation.oscp: is not a setting",
		`{"revocation": {"shards": 4}}`:                                              "revocation.shards: needs pointers",
		`{"revocation": {"shards": 5000, "pointers": {}}}`:                           "revocation.shards: must be a whole number up to 4096",
		`{"revocation": {"shards": 1.5, "pointers": {}}}`:                            "revocation.shards: must be a whole number",
		`{"revocation": {"deltaValidity": "1h"}}`:                                    "revocation.deltaValidity: needs delta",
		`{"revocation": {"delta": true, "deltaValidity": "13h"}}`:                    "revocation.deltaValidity: must be at least",
		`{"revocation": {"pointers": true}}`:                                         "revocation.pointers: must be an object",
		`{"revocation": {"pointers": {"url": "pki.example"}}}`:                       "revocation.pointers.url: \"pki.example\" is not an absolute",
		`{"revocation": {"pointers": {"ocsp": ["x"]}}}`:                              "revocation.pointers.ocsp: \"x\" is not an absolute",
		`{"notices": {"certificates": ["soon"]}}`:                                    "notices.certificates[0]: must be a duration",
		`{"notices": {"issuers": "0s"}}`:                                             "notices.issuers: must be more than zero",
		`{"retention": {"certificates": "x"}}`:                                       "retention.certificates: \"x\" is not a duration",
		`{"sinks": {"a": {"type": "kafka"}}}`:                                        "sinks.a.type: \"kafka\" is none of",
		`{"sinks": {"a": {}}}`:                                                       "sinks.a.type: is missing",
		`{"sinks": {"a": 1}}`:                                                        "sinks.a: must be an object",
		`{"sinks": {"a": {"type": "file"}}}`:                                         "sinks.a.path: is missing",
		`{"sinks": {"a": {"type": "file", "path": "x", "url": "y"}}}`:                "sinks.a.url: is not a setting",
		`{"sinks": {"a": {"type": "webhook", "url": "x", "mode": "y"}}}`:             "sinks.a.mode: \"y\" is neither",
		`{"sinks": {"a": {"type": "file", "path": "x", "events": ["y"]}}}`:           "sinks.a.events[0]: \"y\" is not a type of event",
		`{"sinks": {"a": {"type": "file", "path": "x", "events": []}}}`:              "sinks.a.events: must list at least one",
		`{"sinks": {"a": {"type": "file", "path": "x", "holdAfter": "0s"}}}`:         "sinks.a.holdAfter: must be more than zero",
		`{"sinks": {"a": {"type": "syslog", "address": "x", "secretFiles": ["a"]}}}`: "sinks.a.secretFiles: is not a setting",
	} {
		_, err := load(ca, text)
		require.ErrorContains(t, err, "chancery.json:1: "+want)
		require.Len(t, Faults(err), 1, "%v", err)
	}
	_, err := load(fromStep(t, "plain"), `{"revocation": {"delta": true, "pointers": {"crl": ["http://x.example/crl"]}}}`)
	require.ErrorContains(t, err, "revocation.delta: needs crl.enabled")
	require.ErrorContains(t, err, "revocation.pointers.crl: needs crl.enabled")
}

// After a rotation the issuer before goes on signing CRLs, and nothing else.
func TestRetiringIssuers(t *testing.T) {
	folder := func() (string, *File) {
		dir := t.TempDir()
		f, err := Init(t.Context(), InitOptions{Dir: dir, Name: "Test", DNSNames: []string{"localhost"}, Password: []byte("password")})
		require.NoError(t, err)
		return dir, f
	}
	_, old := folder()
	dir, now := folder()
	change := func(name string, with func(map[string]any)) {
		t.Helper()
		path, m := filepath.Join(dir, "config", name), map[string]any{}
		b, err := os.ReadFile(path)
		if err == nil {
			require.NoError(t, json.Unmarshal(b, &m))
		}
		with(m)
		b, err = json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, b, 0o600))
	}
	change("ca.json", func(m map[string]any) { m["root"] = []string{now.Roots[0], old.Roots[0]} })
	retiring := func(crt, key string) (*authority.Config, error) {
		t.Helper()
		change("chancery.json", func(m map[string]any) {
			m["retiring"] = map[string]any{"before": map[string]any{"crt": crt, "key": key}}
		})
		f, err := Load(filepath.Join(dir, "config", "ca.json"))
		if err != nil {
			return nil, err
		}
		return f.Config(t.Context(), Options{
			Store: authority.NewMemory(), Password: func(context.Context, string) ([]byte, error) { return []byte("password"), nil },
		})
	}
	c, err := retiring(old.Chain, old.Key)
	require.NoError(t, err)
	require.Len(t, c.Issuers, 2)
	require.Equal(t, []authority.State{authority.Active, authority.Retiring}, []authority.State{c.Issuers[0].State, c.Issuers[1].State})
	require.NotEqual(t, c.Issuers[0].Name, c.Issuers[1].Name)
	_, err = authority.New(*c)
	require.NoError(t, err)

	_, err = retiring(old.Chain, "secrets/nothing")
	require.ErrorContains(t, err, "retiring.before.key")
	_, err = retiring("", old.Key)
	require.ErrorContains(t, err, "retiring.before.crt")
}
