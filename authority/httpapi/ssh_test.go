package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca/snippet"
)

// sshWorld is one whose authority has SSH keys, and says yes to everything with the same certificate.
type sshWorld struct {
	*world
	byUser, byHost ssh.Signer // the CAs
	given          *pop
}

func newSSHWorld(t testing.TB, o *Options) *sshWorld {
	t.Helper()
	w := &sshWorld{world: newWorld(t, o), byUser: sshSigner(t, edKey(t)), byHost: sshSigner(t, edKey(t))}
	w.given = mintSSH(t, w.byUser, ssh.UserCert, nil)
	w.sshAnswer = &authority.SSHCertificate{Certificate: w.given.cert}
	w.sshKeys = authority.SSHKeys{User: []ssh.PublicKey{w.byUser.PublicKey()}, Host: []ssh.PublicKey{w.byHost.PublicKey()}}
	return w
}

func wire(k ssh.PublicKey) string { return base64.StdEncoding.EncodeToString(k.Marshal()) }

func TestSSHRoots(t *testing.T) {
	w := newSSHWorld(t, nil)
	get := func(path string) string {
		got := do(w.handler, request{method: "GET", path: path})
		require.Equal(t, 200, got.Code, got.Body.String())
		return strings.TrimSpace(got.Body.String())
	}
	own := `{"userKey":["` + wire(w.byUser.PublicKey()) + `"],"hostKey":["` + wire(w.byHost.PublicKey()) + `"]}`
	require.Equal(t, own, get("/ssh/roots"))
	require.Equal(t, own, get("/ssh/federation"))
	other := sshSigner(t, edKey(t)).PublicKey()
	w.federatedSSH.User = []ssh.PublicKey{other}
	require.Equal(t, own, get("/1.0/ssh/roots"))
	require.Contains(t, get("/ssh/federation"), wire(other))

	w.sshKeys, w.federatedSSH = authority.SSHKeys{}, authority.SSHKeys{}
	requireError(t, 404, do(w.handler, request{method: "GET", path: "/ssh/roots"}))
	requireError(t, 404, do(w.handler, request{method: "POST", path: "/ssh/config", body: `{"type":"user"}`}))
}

func TestSSHSign(t *testing.T) {
	w := newSSHWorld(t, nil)
	key := w.given.cert.Key
	body := func(change map[string]any) string {
		m := map[string]any{
			"publicKey": key.Marshal(), "ott": "a.b.c", "certType": "user", "keyID": "me", "principals": []string{"me"},
			"validAfter": "0s", "validBefore": "1h", "templateData": map[string]any{"a": 1},
		}
		for k, v := range change {
			m[k] = v
		}
		return jsonOf(t, m)
	}
	got := do(w.handler, request{method: "POST", path: "/ssh/sign", body: body(nil)})
	require.Equal(t, 201, got.Code, got.Body.String())
	require.Equal(t, `{"crt":"`+wire(w.given.cert)+`"}`, strings.TrimSpace(got.Body.String()))
	require.Len(t, w.sshIssued, 1)
	asked := w.sshIssued[0]
	require.Equal(t, provisioner.SSHSign, asked.Operation)
	require.Equal(t, provisioner.SSHUser, asked.Type)
	require.Equal(t, key.Marshal(), asked.Key.Marshal())
	require.Equal(t, []string{"me"}, asked.Principals)
	require.Equal(t, map[string]any{"a": 1.0}, asked.UserData)
	require.Equal(t, "a.b.c", asked.Token)
	require.Empty(t, asked.Provisioner)
	require.False(t, asked.Local)
	require.Nil(t, asked.AddUser)
	require.Nil(t, asked.Identity)

	w.sshAnswer.AddUser, w.sshAnswer.Identity = w.given.cert, w.answer
	got = do(w.handler, request{method: "POST", path: "/ssh/sign", body: body(map[string]any{"addUserPublicKey": key.Marshal(), "identityCSR": csrPEM(t, "me")})})
	require.Equal(t, 201, got.Code, got.Body.String())
	var answer struct {
		Crt, AddUserCrt []byte
		IdentityCrt     []string
	}
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &answer))
	require.Equal(t, answer.Crt, answer.AddUserCrt)
	require.Len(t, answer.IdentityCrt, len(w.answer.Chain))

	asks := len(w.sshIssued)
	certificate := w.given.cert.Marshal()
	for name, change := range map[string]map[string]any{
		"no token":               {"ott": ""},
		"no key":                 {"publicKey": nil},
		"half a key":             {"publicKey": key.Marshal()[:20]},
		"more than a key":        {"publicKey": append(key.Marshal(), 0)},
		"a certificate":          {"publicKey": certificate},
		"no base64":              {"publicKey": "ssh-ed25519 AAAA"},
		"odd type":               {"certType": "root"},
		"odd beginning":          {"validAfter": "soon"},
		"odd end":                {"validBefore": "2026-13-01"},
		"empty principal":        {"principals": []string{"me", ""}},
		"principals in a string": {"principals": "me"},
		"data in a list":         {"templateData": []int{1}},
		"odd key of a user":      {"addUserPublicKey": []byte("x")},
		"certificate of a user":  {"addUserPublicKey": certificate},
		"odd CSR":                {"identityCSR": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			requireError(t, 400, do(w.handler, request{method: "POST", path: "/ssh/sign", body: body(change)}))
		})
	}
	for path, text := range map[string]string{
		"/ssh/renew": `{}`, "/ssh/rekey": `{"ott":"a.b.c"}`, "/ssh/revoke": `{"serial":"1","passive":true}`,
	} {
		requireError(t, 400, do(w.handler, request{method: "POST", path: path, body: text}))
	}
	require.Len(t, w.sshIssued, asks, "nothing of that reached the authority")
	require.Empty(t, w.revoked)
}

func TestSSHHosts(t *testing.T) {
	hosts := []authority.SSHHost{{Name: "db.internal"}, {Name: "web.internal", Entity: &inventory.Entity{ID: "web", Tags: map[string]string{"b": "2", "a": "1"}}}}
	const all = `{"hosts":[{"hid":"","host_tags":null,"hostname":"db.internal"},{"hid":"web","host_tags":[{"id":"web/a","name":"a","value":"1"},{"id":"web/b","name":"b","value":"2"}],"hostname":"web.internal"}]}`
	list := func(o SSHOptions, member, stranger bool) *httptest.ResponseRecorder {
		w := newSSHWorld(t, &Options{SSH: o})
		w.hosts, w.strangers = hosts, stranger
		q := request{method: "GET", path: "/ssh/hosts"}
		if member || stranger {
			q.peer = mint(t, "me", false, w.inter)
		}
		return do(w.handler, q)
	}
	require.Equal(t, all, strings.TrimSpace(list(SSHOptions{OpenHosts: true}, false, false).Body.String()))
	require.Equal(t, all, strings.TrimSpace(list(SSHOptions{}, true, false).Body.String()))
	requireError(t, 401, list(SSHOptions{}, false, false))
	requireError(t, 401, list(SSHOptions{}, false, true))
	require.Equal(t, 404, list(SSHOptions{NoHosts: true, OpenHosts: true}, true, false).Code)
}

func TestSSHCheckHostAndBastion(t *testing.T) {
	w := newSSHWorld(t, &Options{SSH: SSHOptions{}})
	w.hosts = []authority.SSHHost{{Name: "web.internal"}}
	post := func(path, body string) *httptest.ResponseRecorder {
		return do(w.handler, request{method: "POST", path: path, body: body})
	}
	require.Equal(t, `{"exists":true}`, strings.TrimSpace(post("/ssh/check-host", `{"type":"host","principal":"web.internal"}`).Body.String()))
	require.Equal(t, `{"exists":false}`, strings.TrimSpace(post("/ssh/check-host", `{"type":"host","principal":"x\n.internal"}`).Body.String()))
	require.Len(t, w.mentioned, 2)
	require.Equal(t, event.HostChecked, w.mentioned[1].Type)
	require.Equal(t, "x .internal", w.mentioned[1].Data.(event.Connection).Host, "no line of a log is broken")
	for _, body := range []string{`{"type":"user","principal":"web.internal"}`, `{"type":"host"}`, `{"type":"host","principal":"` + strings.Repeat("a", 254) + `"}`} {
		requireError(t, 400, post("/ssh/check-host", body))
	}
	require.Equal(t, `{"hostname":"web.internal"}`, strings.TrimSpace(post("/ssh/bastion", `{"hostname":"web.internal","user":"me"}`).Body.String()))
	requireError(t, 400, post("/ssh/bastion", `{"user":"me"}`))
	require.Equal(t, event.BastionAsked, w.mentioned[len(w.mentioned)-1].Type)
}

func TestSSHConfig(t *testing.T) {
	w := newSSHWorld(t, &Options{SSH: SSHOptions{Snippets: snippet.Builtin()}})
	for _, path := range []string{"/ssh/config", "/ssh/config/user", "/ssh/config/host"} {
		for kind, key := range map[string]ssh.PublicKey{"user": w.byHost.PublicKey(), "host": w.byUser.PublicKey()} {
			got := do(w.handler, request{method: "POST", path: path, body: `{"type":"` + kind + `","data":{"StepPath":"/home/me/.step","StepBasePath":"/home/me/.step","Certificate":"/etc/ssh/h-cert.pub","Key":"/etc/ssh/h"}}`})
			require.Equal(t, 200, got.Code, got.Body.String())
			var answer map[string][]struct{ Content []byte }
			require.NoError(t, json.Unmarshal(got.Body.Bytes(), &answer))
			require.Len(t, answer, 1)
			var text bytes.Buffer
			for _, f := range answer[kind+"Templates"] {
				text.Write(f.Content)
			}
			require.Contains(t, text.String(), wire(key))
		}
		requireError(t, 400, do(w.handler, request{method: "POST", path: path, body: `{"type":"root"}`}))
		requireError(t, 400, do(w.handler, request{method: "POST", path: path, body: `{"type":"host","data":{"Certificate":"a\nb"}}`}))
	}
}

// FuzzSSHSign: a body is refused with a well-formed error, or the request that comes of it says what a body may say.
func FuzzSSHSign(f *testing.F) {
	w := newSSHWorld(f, nil)
	good, err := json.Marshal(map[string]any{
		"publicKey": w.given.cert.Key.Marshal(), "ott": "a.b.c", "certType": "host", "principals": []string{"a"}, "validBefore": "1h",
	})
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"publicKey":"AAAA","ott":"a.b.c"}`))
	f.Add([]byte(`{"ott":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := len(w.sshIssued)
		got := recorder(w.handler, httptest.NewRequest("POST", "/ssh/sign", bytes.NewReader(body)))
		if len(w.sshIssued) == before {
			require.Contains(t, []int{400, 413}, got.Code)
			requireError(t, got.Code, got)
			return
		}
		require.Equal(t, 201, got.Code)
		asked := w.sshIssued[before]
		w.sshIssued = nil
		require.NotEmpty(t, asked.Token)
		require.Empty(t, asked.Provisioner)
		require.False(t, asked.Local)
		require.NotContains(t, asked.Principals, "")
		_, isCertificate := asked.Key.(*ssh.Certificate)
		require.False(t, isCertificate)
	})
}
