package step_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/sshutil"
	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

// sshTexts are more documents as people write them for step.
var sshTexts = map[string]string{
	"default": sshutil.DefaultTemplate,
	"admin":   sshutil.DefaultAdminTemplate,
	"iid":     sshutil.DefaultIIDTemplate,
	"request": sshutil.CertificateRequestTemplate,
	"fields of a token": `{
		"type": {{ toJson .Type }},
		"keyId": "{{ .KeyID }} ({{ .Token.email }})",
		"principals": [{{ range $i, $p := .Principals }}{{ if $i }}, {{ end }}{{ toJson $p }}{{ end }}],
		"criticalOptions": {"source-address": "{{ join "," .Token.addresses }}", "force-command": {{ toJson .Token.command }}},
		"extensions": {"permit-pty": "", "login@github.com": {{ toJson .Token.email }}, "id@github.com": "{{ .Insecure.User.id }}"}
	}`,
	"extensions of the user": `{"type": "user", "keyId": "a", "principals": {{ toJson .Principals }}, "extensions": {{ toJson .Insecure.User.extensions }}}`,
	"times": `{"type": "HOST", "keyId": "a", "principals": ["a"], "validAfter": "2030-01-01T00:00:00Z",
		"validBefore": {{ "2030-01-01T00:00:00Z" | mustParseTime "2006-01-02T15:04:05Z07:00" | mustDateModify "16h" | formatTime | toJson }}, "nonce": null, "reserved": null}`,
	"more extensions": `{{ $_ := set .Extensions "login@github.com" "" }}{{ $all := merge .Extensions (dict "a@b" "c") }}{"type": {{ toJson .Type }}, "principals": {{ toJson .Principals }}, "extensions": {{ toJson $all }}}`,
	"by key":          `{"type": "user", "principals": {{ toJson .Principals }}, "keyId": "{{ .Insecure.CR.Key.Type }} {{ .Insecure.CR.Key.Marshal | toString | b64enc }}"}`,
}

func sshKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(make([]byte, 32)))
	require.NoError(t, err)
	return s.PublicKey()
}

func sshRender(t testing.TB, text string, d *template.SSHData) *template.SSHCertificate {
	t.Helper()
	tpl, err := step.ParseSSH("t", text)
	require.NoError(t, err)
	c, err := tpl.Render(d)
	require.NoError(t, err)
	return c
}

// sshByStep is what step-ca would make of the same text and request.
func sshByStep(text string, d *template.SSHData) (*sshutil.Certificate, error) {
	values := func(m map[string]string) map[string]any {
		own := map[string]any{}
		for k, v := range m {
			own[k] = v
		}
		return own
	}
	v := sshutil.NewTemplateData()
	v.Set(sshutil.TypeKey, d.Type)
	v.SetKeyID(d.KeyID)
	v.SetPrincipals(d.Principals)
	v.SetExtensions(values(d.Extensions))
	if d.CriticalOptions != nil {
		v.SetCriticalOptions(values(d.CriticalOptions))
	}
	v.SetToken(d.Token)
	v.SetUserData(d.User)
	return sshutil.NewCertificate(sshutil.CertificateRequest{Key: d.CR.Key, Type: d.CR.Type, KeyID: d.CR.KeyID, Principals: d.CR.Principals}, sshutil.WithTemplate(text, v))
}

// requireSameSSH compares all that a template decides on. No principals are no principals, in whatever way.
func requireSameSSH(t require.TestingT, want, got *template.SSHCertificate) {
	require.Equal(t, want.Type, got.Type)
	require.Equal(t, want.KeyID, got.KeyID)
	require.Equal(t, append([]string{}, want.Principals...), append([]string{}, got.Principals...))
	require.True(t, want.ValidAfter.Equal(got.ValidAfter) && want.ValidBefore.Equal(got.ValidBefore))
	require.Equal(t, fmt.Sprint(want.CriticalOptions), fmt.Sprint(got.CriticalOptions))
	require.Equal(t, fmt.Sprint(want.Extensions), fmt.Sprint(got.Extensions))
}

func ofStep(c *sshutil.Certificate) *template.SSHCertificate {
	return &template.SSHCertificate{
		Type: c.Type.String(), KeyID: c.KeyID, Principals: c.Principals, ValidAfter: c.ValidAfter, ValidBefore: c.ValidBefore,
		CriticalOptions: c.CriticalOptions, Extensions: c.Extensions,
	}
}

// odd are texts that break out of the strings of step's templates, plain are those that do not.
var (
	odd   = rapid.OneOf(rapid.SampledFrom([]string{`"`, `\`, `","type":"host","x":"`, "a\nb", "<&>", "é", "\u2028", "alice"}), rapid.StringN(0, 8, -1))
	plain = rapid.StringMatching(`[a-zé@. ]{0,8}`)
)

func drawSSHData(t *rapid.T, key ssh.PublicKey, text *rapid.Generator[string]) *template.SSHData {
	names := rapid.SliceOfN(text, 0, 3)
	options := rapid.MapOfN(rapid.OneOf(rapid.SampledFrom([]string{"permit-pty", "a.b@c", "x[0]", "*", "serial"}), rapid.StringMatching(`[ -~]{1,8}`)), text, 1, 3)
	typ := rapid.SampledFrom([]string{"user", "host"})
	return &template.SSHData{
		Type: typ.Draw(t, "type"), KeyID: "k" + text.Draw(t, "key id"), Principals: names.Draw(t, "principals"),
		Extensions: options.Draw(t, "extensions"), CriticalOptions: options.Draw(t, "options"),
		Token: map[string]any{"email": text.Draw(t, "email"), "addresses": []any{"10.0.0.1", text.Draw(t, "address")}, "command": text.Draw(t, "command")},
		User:  map[string]any{"id": text.Draw(t, "id"), "extensions": map[string]any{"a@b": text.Draw(t, "extension")}},
		CR: template.SSHRequest{
			Type: typ.Draw(t, "requested type"), KeyID: text.Draw(t, "requested key id"), Principals: names.Draw(t, "requested principals"), Key: key,
		},
	}
}

// Step's documents work as they are.
func TestSSHSameAsStep(t *testing.T) {
	key := sshKey(t)
	for name, doc := range sshTexts {
		t.Run(name, func(t *testing.T) {
			tpl, err := step.ParseSSH("t", doc)
			require.NoError(t, err)
			text := odd
			if name == "fields of a token" {
				text = plain
			}
			rapid.Check(t, func(rt *rapid.T) {
				d := drawSSHData(rt, key, text)
				got, err := tpl.Render(d)
				require.NoError(rt, err)
				theirs, err := sshByStep(doc, d)
				require.NoError(rt, err)
				requireSameSSH(rt, ofStep(theirs), got)
			})
		})
	}
}

// What is made in Go is what the text of step's own templates makes.
func TestSSHBuiltins(t *testing.T) {
	five := sshFive()
	key := sshKey(t)
	for _, c := range []struct {
		name, text string
		tpl        *template.SSH
		data       func(*template.SSHData)
	}{
		{"default", sshutil.DefaultTemplate, template.SSHDefault(), func(*template.SSHData) {}},
		{"admin", sshutil.DefaultAdminTemplate, template.SSHRequested(), func(*template.SSHData) {}},
		{"iid", sshutil.DefaultIIDTemplate, template.SSHInstance(), func(*template.SSHData) {}},
		{"request", sshutil.CertificateRequestTemplate, template.SSHRequested(), func(d *template.SSHData) {
			d.Extensions, d.CriticalOptions = five, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := step.ParseSSH("t", c.text)
			require.NoError(t, err)
			rapid.Check(t, func(rt *rapid.T) {
				d := drawSSHData(rt, key, odd)
				c.data(d)
				want, err := text.Render(d)
				require.NoError(rt, err)
				got, err := c.tpl.Render(d)
				require.NoError(rt, err)
				requireSameSSH(rt, want, got)
			})
		})
	}
	_, err := template.SSHRequested().Render(&template.SSHData{Type: "user"})
	require.ErrorContains(t, err, "neither user nor host")
	_, err = step.ParseSSH("t", sshutil.CertificateRequestTemplate)
	require.NoError(t, err)
}

func TestParseSSHErrors(t *testing.T) {
	for _, c := range []struct {
		name, text, at, field, reason string
	}{
		{"action for a name", "{\"type\": \"user\",\n\"extensions\": {\"{{ .X }}\": \"\"}}", "2:20", "extensions", "only the text"},
		{"action between names", "{\"type\": \"user\", \"extensions\": {\n{{ .X }}}}", "2:4", "extensions", "only the text"},
		{"action in a name", `{"type": "user", "criticalOptions": {"a-{{ .X }}": ""}}`, "1:44", "criticalOptions", "only the text"},
		{"names of a loop", `{"type": "user", "extensions": { {{ range $k, $v := .X }}"{{ $k }}": "{{ $v }}"{{ end }} }}`, "1:62", "extensions", "only the text"},
		{"the whole document", `{{ toJson .X }}`, "1:4", "", "choose the fields"},
		{"no name", `{"type": "user", "extensions": {"": ""}}`, "1:34", "extensions", "without a name"},
		{"object for an option", `{"type": "user", "extensions": {"a@b": {"c": {{ .X }}}}}`, "1:40", "extensions.a@b", "plain value"},
		{"nonce", `{"nonce": "{{ .X }}"}`, "1:11", "nonce", "authority sets"},
		{"serial", `{"serial": 7}`, "1:12", "serial", "authority sets"},
		{"reserved", `{"reserved": {{ .X }}}`, "1:17", "reserved", "authority sets"},
		{"another case", "{\n\"keyID\": {{ .X }}}", "2:7", "", `did you mean "keyId"`},
		{"X.509", `{"subject": {{ .X }}}`, "1:10", "", `no field "subject"`},
		{"host", `{"keyId": {{ env "HOME" }}}`, "1:14", "", "reads the host"},

		{"twice", `{"type": "user", "extensions": {"a@b": "", "a@b": ""}}`, "1:34", "extensions.a@b", "twice"},
		{"type", `{"type": "root"}`, "1:3", "type", "neither"},
		{"no type", `{"keyId": "a"}`, "", "type", "no type"},
		{"type null", `{"type": null}`, "1:3", "type", "no type"},
		{"number for text", `{"type": "user", "keyId": 7}`, "1:19", "keyId", "not text"},
		{"number for an option", `{"type": "user", "extensions": {"a@b": 7}}`, "1:34", "extensions.a@b", "not text"},
		{"null for an option", `{"type": "user", "extensions": {"a@b": null}}`, "1:34", "extensions.a@b", "missing"},
		{"list for an option", `{"type": "user", "extensions": {"a@b": ["c"]}}`, "1:34", "extensions.a@b", "not text"},
		{"list of options", `{"type": "user", "extensions": ["a@b"]}`, "1:19", "extensions", "not an object"},
		{"null for a principal", `{"type": "user", "principals": ["a", null]}`, "1:19", "principals[1]", "missing"},
		{"time", `{"type": "user", "validAfter": "tomorrow"}`, "1:19", "validAfter", "RFC 3339"},
		{"number for a time", `{"type": "user", "validBefore": 1893456000}`, "1:19", "validBefore", "RFC 3339"},
		{"old time", `{"type": "user", "validAfter": "1969-12-31T23:59:59Z"}`, "1:19", "validAfter", "1970"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := step.ParseSSH("ssh.tpl", c.text)
			e, ok := errors.AsType[*template.ParseError](err)
			require.True(t, ok, "%v", err)
			at := fmt.Sprintf("%d:%d", e.Line, e.Column)
			if e.Column == 0 {
				at = ""
			}
			require.Contains(t, e.Reason, c.reason)
			require.Equal(t, c.field, e.Field)
			require.Equal(t, c.at, at, "%v", err)
		})
	}
}

func TestRenderSSHErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		field      string
		reason     string
	}{
		{"missing in a string", "{\"type\": \"user\",\n\"keyId\": \"{{ .Token.sub }}\"}", 2, "keyId", "missing"},
		{"missing in an option", "{\"type\": \"user\",\n\"extensions\": {\"a@b\": {{ toJson .Token.sub }}}}", 2, "extensions.a@b", "missing"},
		{"number of a token", "{\"type\": \"user\",\n\"extensions\": {\"a@b\": {{ toJson .N }}}}", 2, "extensions.a@b", "not text"},
		{"object of a token", "{\"type\": \"user\",\n\"extensions\": {\"a@b\": {{ toJson .M }}}}", 2, "extensions.a@b", "plain value"},
		{"numbers for all options", "{\"type\": \"user\",\n\"extensions\": {{ toJson .M }}}", 2, "extensions.n", "not text"},
		{"list for all options", "{\"type\": \"user\",\n\"criticalOptions\": {{ toJson .L }}}", 2, "criticalOptions", "not an object"},
		{"twice by a loop", "{\"type\": \"user\",\n\"extensions\": { {{ range $i, $_ := .L }}{{ if $i }},{{ end }}\"a@b\": \"\"{{ end }} }}", 2, "extensions.a@b", "twice"},
		{"nested principals", "{\"type\": \"user\",\n\"principals\": {{ toJson .LL }}}", 2, "principals[0]", "not text"},
		{"principals of an object", "{\"type\": \"user\",\n\"principals\": {{ toJson .M }}}", 2, "principals", "plain value"},
		{"type", "{\n\"type\": {{ toJson .Type }}}", 2, "type", "no type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tpl, err := step.ParseSSH("ssh.tpl", c.text)
			require.NoError(t, err)
			_, err = tpl.Render(&template.SSHData{Extra: map[string]any{
				"N": 7, "M": map[string]any{"n": 7}, "L": []any{"a", "b"}, "LL": []any{[]any{"a"}},
			}})
			e, ok := errors.AsType[*template.RenderError](err)
			require.True(t, ok, "%v", err)
			require.ErrorContains(t, e, c.reason)
			require.Equal(t, c.field, e.Field)
			require.Equal(t, c.line, e.Line)
		})
	}
	tpl, err := step.ParseSSH("t", `{"type": "user", {{ if not .Principals }}{{ fail "nobody" }}{{ end }} "keyId": "a"}`)
	require.NoError(t, err)
	_, err = tpl.Render(&template.SSHData{})
	f, ok := errors.AsType[*template.FailError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "nobody", f.Text)
	_, err = tpl.Render(&template.SSHData{Extra: map[string]any{"Principals": 1}})
	require.ErrorContains(t, err, "built-in")
}

func TestSSHDocument(t *testing.T) {
	c := sshRender(t, `{"type": "Host", "principals": "a", "validAfter": "2030-01-01T01:00:00+01:00", "serial": null, "nonce": "", "extensions": {}}`, &template.SSHData{})
	require.Equal(t, "host", c.Type)
	require.Equal(t, []string{"a"}, c.Principals)
	require.True(t, c.ValidAfter.Equal(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.Zero(t, c.ValidBefore)
	require.Empty(t, c.Extensions)
	require.Nil(t, c.CriticalOptions)

	c = sshRender(t, `{{ toJson (dict "type" .Type "principals" .Principals "extensions" .Extensions) }}`, &template.SSHData{
		Type: "user", Principals: []string{"a", "b"}, Extensions: map[string]string{"permit-pty": ""},
	})
	require.Equal(t, map[string]string{"permit-pty": ""}, c.Extensions)
	require.Equal(t, []string{"a", "b"}, c.Principals)
}

func TestParseSSHSetting(t *testing.T) {
	for _, text := range []string{"\n {\"type\": \"user\"}", "eyJ0eXBlIjoidXNlciJ9"} {
		tpl, err := step.ParseSSHSetting("t", text)
		require.NoError(t, err, text)
		c, err := tpl.Render(&template.SSHData{})
		require.NoError(t, err)
		require.Equal(t, "user", c.Type)
	}
	_, err := step.ParseSSHSetting("t", "ssh/user.tpl")
	require.ErrorContains(t, err, "neither")
}

// A template cannot leave anything behind for the next request, nor change what is granted or certified.
func TestSSHDataIsNotChanged(t *testing.T) {
	tpl, err := step.ParseSSH("t", `{{- $_ := set .Extensions "a@b" .KeyID -}}{{- $_ := set .Token "sub" "changed" -}}
		{{- $_ := set .Insecure.User "x" "changed" -}}{{- $_ := .Insecure.CR.Key.CryptoPublicKey.N.SetInt64 15 -}}
		{"type": "user", "keyId": "{{ .Token.sub }}{{ .Insecure.CR.Key.CryptoPublicKey.N }}", "principals": {{ toJson (reverse .Principals) }}, "extensions": {{ toJson .Extensions }}}`)
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(keys(t)["rsa"].Public())
	require.NoError(t, err)
	wire := key.Marshal()
	token, user, extensions, principals := map[string]any{}, map[string]any{}, map[string]string{}, []string{"a", "b"}
	var wg sync.WaitGroup
	for i := range 8 {
		id := fmt.Sprint(i)
		wg.Go(func() {
			c, err := tpl.Render(&template.SSHData{
				KeyID: id, Principals: principals, Extensions: extensions, Token: token, User: user,
				CR: template.SSHRequest{Key: key, Principals: principals},
			})
			if err != nil || c.KeyID != "changed15" || c.Extensions["a@b"] != id || c.Principals[0] != "b" {
				t.Errorf("rendered %v, %v", c, err)
			}
		})
	}
	wg.Wait()
	require.Empty(t, token)
	require.Empty(t, user)
	require.Empty(t, extensions)
	require.Equal(t, []string{"a", "b"}, principals)
	require.Equal(t, wire, key.Marshal())
}

// Every function that step has for SSH exists here, or is refused with a reason.
func TestSSHFunctions(t *testing.T) {
	for name := range sshutil.GetFuncMap() {
		_, err := step.ParseSSH("t", fmt.Sprintf(`{"type": "user", "keyId": {{ %s .X }}}`, name))
		if err != nil {
			require.NotContains(t, err.Error(), "does not exist", name)
		}
	}
}

func BenchmarkSSH(b *testing.B) {
	d := &template.SSHData{
		Type: "user", KeyID: "alice@example.com", Principals: []string{"alice", "alice@example.com"},
		Extensions: sshFive(), CR: template.SSHRequest{Key: sshKey(b)},
	}
	tpl, err := step.ParseSSH("t", sshutil.DefaultTemplate)
	require.NoError(b, err)
	native := template.SSHDefault()
	for name, render := range map[string]func() error{
		"text": func() error { _, err := tpl.Render(d); return err },
		"go":   func() error { _, err := native.Render(d); return err },
		"step": func() error { _, err := sshByStep(sshutil.DefaultTemplate, d); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := render(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sshFive() map[string]string {
	return map[string]string{"permit-X11-forwarding": "", "permit-agent-forwarding": "", "permit-port-forwarding": "", "permit-pty": "", "permit-user-rc": ""}
}
