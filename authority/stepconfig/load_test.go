package stepconfig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
)

func fromStep(t *testing.T, name string) string {
	b, err := os.ReadFile(filepath.Join("testdata", "step", name+".json"))
	require.NoError(t, err)
	return string(b)
}

func load(ca, own string) (*File, error) {
	var o []byte
	if own != "" {
		o = []byte(own)
	}
	return parse("/ca/config/ca.json", []byte(ca), "/ca/config/chancery.json", o)
}

func TestLoadStepFolders(t *testing.T) {
	for _, name := range []string{"plain", "ssh", "nodb", "edited", "acme"} {
		f, err := load(fromStep(t, name), "")
		require.NoError(t, err, name)
		require.Equal(t, "127.0.0.1:9000", f.Address)
		require.Equal(t, []string{"localhost", "127.0.0.1"}, f.DNSNames)
		require.Equal(t, "Step Online CA", f.CommonName)
		require.Equal(t, "/home/step/.step/secrets/intermediate_ca_key", f.Key)
		require.Len(t, f.TLS.CipherSuites, 2)
		require.Equal(t, "admin", f.Provisioners[0].Name)
		require.Len(t, f.Provisioners[0].EncryptedKeys, 1)
		require.Equal(t, time.Minute, f.backdate)
	}
}

func TestLoadWarnings(t *testing.T) {
	f, err := load(fromStep(t, "ssh"), "")
	require.NoError(t, err)
	require.Len(t, f.Provisioners, 2)
	require.Equal(t, "SSHPOP", f.Provisioners[1].Type)
	require.NotNil(t, f.SSH)
	require.NotContains(t, strings.Join(f.Warnings, "\n"), "SSH")

	f, err = load(fromStep(t, "nodb"), "")
	require.NoError(t, err)
	require.Empty(t, f.DB.Path)
	require.Contains(t, strings.Join(f.Warnings, "\n"), "db:")
}

func TestLoadEdited(t *testing.T) {
	f, err := load(fromStep(t, "edited"), "")
	require.NoError(t, err)
	l := f.spec("workloads").limits
	require.Equal(t, 720*time.Hour, l.tls.def)
	require.Equal(t, 720*time.Hour, l.tls.max, "a default by itself raises the maximum")
	require.Equal(t, 5*time.Minute, l.tls.min)
	x := f.spec("x5")
	require.Equal(t, "X5C", x.kind)
	require.True(t, x.limits.noRenewal)
	require.Equal(t, 48*time.Hour, x.limits.tls.max)
	tpl := f.spec("tpl")
	require.NotNil(t, tpl.template)
	require.True(t, tpl.limits.afterExpiry)
	require.Equal(t, 10*time.Minute, tpl.limits.tls.min)
	require.Nil(t, f.spec("workloads").template)
}

// edit changes a good file as encoding/json sees it. Lines are counted in what it writes.
func edit(t *testing.T, name string, change func(m map[string]any)) string {
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(fromStep(t, name)), &m))
	change(m)
	b, err := json.MarshalIndent(m, "", " ")
	require.NoError(t, err)
	return string(b)
}

func at(v any, path ...any) any {
	for _, p := range path {
		if i, ok := p.(int); ok {
			v = v.([]any)[i]
		} else {
			v = v.(map[string]any)[p.(string)]
		}
	}
	return v
}

func put(key string, v any, path ...any) func(map[string]any) {
	return func(m map[string]any) { at(m, path...).(map[string]any)[key] = v }
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		path   string
		reason string
	}{
		{"unknown", put("addres", "x"), "addres", "not a setting"},
		{"case", put("Address", "x"), "Address", "did you mean address?"},
		{"nested unknown", put("minTLSCertDurations", "1h", "authority", "claims"), "authority.claims.minTLSCertDurations", "not a setting"},
		{"address", put("address", "localhost"), "address", "not host:port"},
		{"address missing", put("address", nil), "address", "is missing"},
		{"insecure", put("insecureAddress", "80"), "insecureAddress", "not host:port"},
		{"names", put("dnsNames", []any{}), "dnsNames", "at least one"},
		{"bad name", put("dnsNames", []any{"a b"}), "dnsNames", `"a b"`},
		{"type", put("dnsNames", "localhost"), "dnsNames", "must be a list, is a string"},
		{"kms", put("kms", map[string]any{"type": "awskms"}), "kms.type", "awskms"},
		{"crl", put("crl", map[string]any{"enable": true, "cacheDuration": "24h"}), "crl.enable", "not a setting"},
		{"crl life", put("crl", map[string]any{"cacheDuration": "30s"}), "crl.cacheDuration", "at least 1m0s"},
		{"crl lapses", put("crl", map[string]any{"enabled": true, "renewPeriod": "24h"}), "crl.renewPeriod", "less than cacheDuration, 24h"},
		{"crl url", put("crl", map[string]any{"idpURL": "ldap:///x"}), "crl.idpURL", "not an absolute http"},
		{"metrics", put("metricsAddress", ":9090"), "metricsAddress", "not served"},
		{"db", put("type", "oracle", "db"), "db.type", "oracle"},
		{"db source", put("db", map[string]any{"type": "postgresql"}), "db.dataSource", "is missing"},
		{"db url", put("db", map[string]any{"type": "postgresql", "dataSource": "postgres://u:secret@[", "database": "d"}), "db.dataSource", "is not a URL"},
		{"tls version", put("minVersion", 1.1, "tls"), "tls.minVersion", "TLS 1.1"},
		{"cipher", put("cipherSuites", []any{"TLS_RSA_WITH_RC4_128_SHA"}, "tls"), "tls.cipherSuites[0]", "RC4"},
		{"renegotiation", put("renegotiation", true, "tls"), "tls.renegotiation", "not supported"},
		{"admin", put("enableAdmin", true, "authority"), "authority.enableAdmin", "not served"},
		{"template", put("template", map[string]any{"country": "NO"}, "authority"), "authority.template", "not supported"},
		{"type of ca", put("type", "stepcas", "authority"), "authority.type", "stepcas"},
		{"backdate", put("backdate", "-1m", "authority"), "authority.backdate", "negative"},
		{"duration", put("claims", map[string]any{"maxTLSCertDuration": "1 day"}, "authority"), "authority.claims.maxTLSCertDuration", `"1 day" is not a duration`},
		{"zero", put("claims", map[string]any{"minTLSCertDuration": "0s"}, "authority"), "authority.claims.minTLSCertDuration", "more than zero"},
		{"order", put("claims", map[string]any{"maxTLSCertDuration": "1h"}, "authority", "provisioners", 0), "authority.provisioners[0].claims", "default duration, 24h0m0s"},
		{"no provisioner", put("provisioners", []any{}, "authority"), "authority.provisioners", "at least one"},
		{"provisioner type", put("type", "SCEP", "authority", "provisioners", 0), "authority.provisioners[0].type", `"SCEP"`},
		{"provisioner policy", put("policy", map[string]any{"allow": map[string]any{"dns": []any{"a"}}}, "authority", "provisioners", 0), "authority.provisioners[0].policy", OwnFile},
		{"private key", put("d", "AAAA", "authority", "provisioners", 0, "key"), "authority.provisioners[0].key.d", "private"},
		{"webhooks", put("options", map[string]any{"webhooks": []any{map[string]any{"name": "x"}}}, "authority", "provisioners", 1), "authority.provisioners[1].options.webhooks", "not supported"},
		{"two templates", put("x509", map[string]any{"template": "{}", "templateFile": "x"}, "authority", "provisioners", 1, "options"), "authority.provisioners[1].options.x509.templateFile", "exclude"},
		{"roots", put("roots", "!", "authority", "provisioners", 2), "authority.provisioners[2].roots", "base64"},
		{"same name", put("name", "admin", "authority", "provisioners", 2), "authority.provisioners[2]", `"admin" is taken`},
		{"keys differ in claims", put("name", "admin", "authority", "provisioners", 1), "authority.provisioners[1]", "same claims and options"},
		{"policy pattern", put("policy", map[string]any{"x509": map[string]any{"deny": map[string]any{"ip": []any{"10.0.0.0/99"}}}}, "authority"), "authority.policy.x509.deny.ip[0]", "10.0.0.0/99"},
		{"policy member", put("policy", map[string]any{"x509": map[string]any{"allow": map[string]any{"dnss": []any{"a"}}}}, "authority"), "authority.policy.x509.allow.dnss", "not a setting"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := edit(t, "edited", func(m map[string]any) {
				if a := m["authority"].(map[string]any); a["claims"] == nil {
					a["claims"] = map[string]any{}
				}
				c.change(m)
			})
			_, err := load(text, "")
			require.Error(t, err)
			fs := Faults(err)
			require.Len(t, fs, 1, "%v", err)
			require.Equal(t, c.path, fs[0].Path)
			require.Contains(t, fs[0].Message(), c.reason)
			require.Equal(t, "/ca/config/ca.json", fs[0].File)
			last := c.path[strings.LastIndexByte(c.path, '.')+1:]
			if i := strings.IndexByte(last, '['); i < 0 && c.reason != "is missing" {
				require.Contains(t, strings.Split(text, "\n")[fs[0].Line-1], `"`+last+`"`, "the line names the setting")
			}
		})
	}
}

func TestLoadReportsAllFaultsAtOnce(t *testing.T) {
	_, err := load(edit(t, "plain", func(m map[string]any) {
		m["adress"], m["crl"] = "x", map[string]any{"enabled": 1}
		m["root"] = nil
	}), `{"what": 1}`)
	fs := Faults(err)
	require.Len(t, fs, 4)
	var seen []string
	for _, f := range fs {
		seen = append(seen, filepath.Base(f.File)+":"+f.Path)
	}
	require.ElementsMatch(t, []string{"ca.json:adress", "ca.json:crl.enabled", "ca.json:root", "chancery.json:what"}, seen)
}

func TestLoadFoldersThatCannotBeServed(t *testing.T) {
	_, err := load(fromStep(t, "remote"), "")
	require.ErrorContains(t, err, "authority.enableAdmin")
	_, err = load(edit(t, "plain", put("type", "SCEP", "authority", "provisioners", 0)), "")
	require.ErrorContains(t, err, `provisioners of type "SCEP" are not supported`)
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "/ca/config/ca.json:1: the file ends too early",
		"[]":                                 "must be a JSON object, is a list",
		"{\n \"a\": 1,\n \"a\": 2\n}":        "/ca/config/ca.json:3: a: is set twice, first on line 2",
		"{\n \"a\": 1,\n \"b\" 2\n}":         "/ca/config/ca.json:3: ",
		"{\n \"a\": 1\n":                     "/ca/config/ca.json:2: the file ends too early",
		"{} {}":                              "more text after the end",
		"{\"a\": \"\xff\"}":                  "not UTF-8",
		strings.Repeat(`{"a":`, 200):         "nested too deep",
		"{\"a\":" + strings.Repeat("[", 300): "nested too deep",
	} {
		_, err := load(text, "")
		require.ErrorContains(t, err, want, "%.40q", text)
	}
}

func TestKeyRotation(t *testing.T) {
	f, err := load(edit(t, "plain", func(m map[string]any) {
		var other map[string]any
		require.NoError(t, json.Unmarshal([]byte(fromStep(t, "ssh")), &other))
		p := at(other, "authority", "provisioners", 0).(map[string]any)
		p["claims"] = map[string]any{"enableSSHCA": true, "disableRenewal": false} // as the CLI writes them
		a := m["authority"].(map[string]any)
		a["provisioners"] = append(a["provisioners"].([]any), p)
	}), "")
	require.NoError(t, err)
	require.Len(t, f.Provisioners, 1)
	require.Len(t, f.Provisioners[0].EncryptedKeys, 2)
}

func TestClaimsMerge(t *testing.T) {
	d := func(s string) *time.Duration {
		if s == "" {
			return nil
		}
		v, err := time.ParseDuration(s)
		require.NoError(t, err)
		return &v
	}
	for _, c := range []struct {
		min, def, max string
		want          string // min default max, or empty: refused
	}{
		{"", "", "", "5m0s 24h0m0s 24h0m0s"},
		{"", "720h", "", "5m0s 720h0m0s 720h0m0s"},
		{"", "1m", "", "1m0s 1m0s 24h0m0s"},
		{"", "", "48h", "5m0s 24h0m0s 48h0m0s"},
		{"1h", "2h", "3h", "1h0m0s 2h0m0s 3h0m0s"},
		{"", "", "1h", ""},
		{"25h", "", "", ""},
		{"3h", "2h", "4h", ""},
		{"", "72h", "48h", ""},
	} {
		var all faults
		l := claims{tls: span{min: d(c.min), def: d(c.def), max: d(c.max)}}.under(global, &section{node: &node{}, faults: &all})
		if c.want == "" {
			require.Error(t, all.err(), "%v", c)
			continue
		}
		require.NoError(t, all.err(), "%v", c)
		require.Equal(t, c.want, strings.Join([]string{l.tls.min.String(), l.tls.def.String(), l.tls.max.String()}, " "))
	}
}

func TestOwnFile(t *testing.T) {
	plain := fromStep(t, "plain")
	f, err := load(plain, `{"anyPort": true, "inventory": {"file": "people.json"}, "provisioners": {"admin": {
		"policy": {"allow": {"dns": ["*.web.internal"]}}, "entity": {"groups": {"web": ["**.web.internal"]}}, "revokeAny": true}}}`)
	require.NoError(t, err)
	r := f.spec("admin").own
	require.True(t, r.revokeAny)
	require.Equal(t, authority.EntityRule{Groups: map[string][]string{"web": {"**.web.internal"}}}, r.entity)
	require.Equal(t, []string{"*.web.internal"}, r.policy.Allow.DNS)
	require.Equal(t, []string{"https://127.0.0.1:*", "https://localhost:*"}, f.urls(""))

	for text, want := range map[string]string{
		`{"provisioners": {"amdin": {}}}`:                                        "provisioners.amdin: /ca/config/ca.json has no provisioner of that name",
		`{"provisioners": {"admin": {"entity": {"required": true}}}}`:            "needs an inventory",
		`{"provisioners": {"admin": {"policy": {"allow": {"dns": ["*.*.x"]}}}}}`: "provisioners.admin.policy.allow.dns[0]",
		`{"inventory": {}}`: "inventory.file: is missing",
	} {
		_, err := load(plain, text)
		require.ErrorContains(t, err, want)
	}

	restricted := edit(t, "plain", put("policy", map[string]any{"x509": map[string]any{"allow": map[string]any{"dns": []any{"*.internal"}}}}, "authority"))
	f, err = load(restricted, `{"provisioners": {"admin": {"policy": {"allow": {"dns": ["*.web.internal"]}}}}}`)
	require.NoError(t, err)
	require.Equal(t, []string{"*.internal"}, f.policy.Allow.DNS, "both lists stand: a name must be in each")
	require.Equal(t, []string{"*.web.internal"}, f.spec("admin").own.policy.Allow.DNS)
}

func TestURLs(t *testing.T) {
	f := &File{Address: "127.0.0.1:9000", DNSNames: []string{"ca.internal", "::1"}}
	require.Equal(t, []string{"https://[::1]", "https://[::1]:9000", "https://ca.internal", "https://ca.internal:9000"}, f.urls(""))
	require.Equal(t, []string{"https://[::1]", "https://ca.internal"}, f.urls(":443"))
}

func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzLoad/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, ca, own []byte) {
		file, err := parse("ca.json", ca, "chancery.json", own)
		if err != nil {
			for _, e := range Faults(err) {
				if e.File == "" || e.Message() == "" {
					t.Fatalf("a fault without place or reason: %#v", e)
				}
			}
			if len(Faults(err)) == 0 {
				t.Fatalf("an error that is no fault: %v", err)
			}
			return
		}
		if file.Address == "" || len(file.DNSNames) == 0 || len(file.Roots) == 0 || file.Chain == "" || file.Key == "" {
			t.Fatalf("accepted without what is required: %#v", file)
		}
		for _, p := range file.provisioners {
			if l := p.limits; l.tls.min <= 0 || l.tls.min > l.tls.def || l.tls.def > l.tls.max {
				t.Fatalf("limits out of order: %#v", l)
			}
		}
	})
}
