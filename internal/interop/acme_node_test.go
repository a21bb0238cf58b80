package interop

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/event"
)

// nodeScript runs the steps that it is given with the npm package acme-client, and prints what came of each, a line of
// JSON. It ends at the first that fails.
const nodeScript = `
const acme = require("acme-client"), fs = require("fs"), http = require("http"), path = require("path"), tls = require("tls");
const { directory, steps, eab, ports, zone } = JSON.parse(fs.readFileSync(0, "utf8"));
const say = (o) => console.log(JSON.stringify(o));

// What is answered at the moment, by challenge.
const files = {}, certs = {};
const web = http.createServer((q, r) => files[q.url] ? r.end(files[q.url]) : r.writeHead(404).end()).listen(ports.http, "127.0.0.1");
const alpn = tls.createServer({ ALPNProtocols: ["acme-tls/1"], SNICallback: (name, done) => done(null, tls.createSecureContext(certs[name])) },
	(c) => c.end()).listen(ports.tls, "127.0.0.1");
alpn.on("tlsClientError", () => {});

const answer = (spoil) => async (authz, challenge, value) => {
	const name = authz.identifier.value;
	if (spoil) value = "x" + value;
	if (challenge.type === "http-01") files["/.well-known/acme-challenge/" + challenge.token] = value;
	if (challenge.type === "dns-01") fs.appendFileSync(path.join(zone, "_acme-challenge." + name), value + "\n");
	if (challenge.type === "tls-alpn-01") {
		const [key, cert] = await acme.crypto.createAlpnCertificate(authz, value);
		certs[name] = { key, cert };
	}
};

async function main() {
	const options = { directoryUrl: directory, accountKey: await acme.crypto.createPrivateKey() };
	if (eab) options.externalAccountBinding = eab;
	const client = new acme.Client(options);
	await client.createAccount({ termsOfServiceAgreed: true, contact: ["mailto:a@example.com"] });
	let cert;
	for (const step of steps) {
		if (step.names) {
			const [key, csr] = await acme.crypto.createCsr({ altNames: step.names }, step.rsa ? await acme.crypto.createPrivateRsaKey() : await acme.crypto.createPrivateEcdsaKey());
			cert = await client.auto({
				csr, challengePriority: [step.challenge], skipChallengeVerification: true,
				challengeCreateFn: answer(step.spoil), challengeRemoveFn: async () => {},
			});
			say({ chain: cert, key: key.toString() });
		} else if (step.do === "key-change") {
			await client.updateAccountKey(await acme.crypto.createPrivateKey());
			say({});
		} else if (step.do === "contact") {
			const a = await client.updateAccount({ contact: ["mailto:b@example.com"] });
			say({ contact: a.contact });
		} else if (step.do === "revoke") {
			await client.revokeCertificate(cert, { reason: 4 });
			say({});
		} else if (step.do === "deactivate") {
			await client.updateAccount({ status: "deactivated" });
			say({});
		}
	}
}
main().catch((e) => { console.log("failed: " + e.message); process.exitCode = 1; }).finally(() => { web.close(); alpn.close(); web.closeAllConnections(); });
`

type nodeStep struct {
	Do        string   `json:"do,omitempty"`
	Names     []string `json:"names,omitempty"`
	Challenge string   `json:"challenge,omitempty"`
	RSA       bool     `json:"rsa,omitempty"`
	Spoil     bool     `json:"spoil,omitempty"`
}

type nodeEAB struct {
	KID  string `json:"kid"`
	HMAC string `json:"hmacKey"`
}

// nodeModules is npm's global folder.
var nodeModules = sync.OnceValue(func() string {
	out, _ := exec.Command(find("npm"), "root", "--global").Output() // what is not there is noticed later
	return strings.TrimSpace(string(out))
})

// node is a user of the npm package.
func (l *acmeLab) node() *acmeUser {
	l.t.Helper()
	need(l.t, "node")
	need(l.t, "npm")
	if _, err := os.Stat(nodeModules() + "/acme-client"); err != nil {
		unavailable(l.t, "the npm package acme-client is not installed; get it with: npm install --global acme-client@5.4.0")
	}
	u := l.user()
	u.env = append(u.env, "NODE_PATH="+nodeModules())
	return u
}

func (u *acmeUser) nodeInput(eab *nodeEAB, steps []nodeStep) {
	u.t.Helper()
	in, err := json.Marshal(map[string]any{
		"directory": u.lab.directory, "zone": u.lab.zone.dir, "ports": map[string]string{"http": u.lab.http, "tls": u.lab.tls}, "steps": steps, "eab": eab,
	})
	require.NoError(u.t, err)
	u.stdin = string(in)
}

// nodeRun takes steps that all succeed, and checks each certificate.
func (u *acmeUser) nodeRun(eab *nodeEAB, steps ...nodeStep) {
	u.t.Helper()
	u.nodeInput(eab, steps)
	lines := strings.Split(strings.TrimSpace(u.run("node", "-e", nodeScript)), "\n")
	require.Len(u.t, lines, len(steps))
	for i, s := range steps {
		var said struct{ Chain, Key string }
		require.NoError(u.t, json.Unmarshal([]byte(lines[i]), &said), lines[i])
		if s.Names == nil {
			continue
		}
		u.write("node.crt", said.Chain)
		u.write("node.key", said.Key)
		u.got("node.crt", s.Names...)
		u.fits("node.crt", "node.key")
	}
}

func (u *acmeUser) nodeRefused(words []string, eab *nodeEAB, steps ...nodeStep) {
	u.t.Helper()
	u.nodeInput(eab, steps)
	u.refused(append(words, "failed: "), "node", "-e", nodeScript)
}

// C11: the npm package acme-client.
func TestACMENode(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{})
	l.node().nodeRun(nil,
		nodeStep{Names: []string{"a.interop.test", "b.interop.test"}, Challenge: "http-01"},
		nodeStep{Do: "contact"},
		nodeStep{Do: "key-change"},
		nodeStep{Names: []string{"zone.interop.test", "*.zone.interop.test"}, Challenge: "dns-01", RSA: true},
		nodeStep{Names: []string{"c.interop.test"}, Challenge: "tls-alpn-01"},
		nodeStep{Do: "revoke"},
		nodeStep{Do: "deactivate"},
	)
	require.Len(t, l.issued(), 3)
	require.Len(t, l.Events.OfType(event.AccountKeyChanged), 1)
	require.Len(t, l.Events.OfType(event.AccountDeactivated), 1)
	require.Equal(t, []string{"mailto:b@example.com"}, l.accountEvent(event.AccountUpdated).Contacts)
	require.Equal(t, 4, l.issued()[2].Revocation.ReasonCode)
}

func TestACMENodeExternalKey(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{server: func(c *acmeserver.Config) { c.RequireExternalKey = true }})
	u := l.node()
	key := base64.RawURLEncoding.EncodeToString(l.externalKey("web-team"))
	wrong := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	step := nodeStep{Names: []string{"eab.interop.test"}, Challenge: "http-01"}
	u.nodeRefused([]string{"external account binding"}, nil, step)
	u.nodeRefused([]string{"not accepted"}, &nodeEAB{"web-team", wrong}, step)
	u.nodeRun(&nodeEAB{"web-team", key}, step)
	require.Equal(t, "web-team", l.accountEvent(event.AccountCreated).ExternalKey)
}

func TestACMENodeRefused(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{})
	u := l.node()
	for _, kind := range []string{"http-01", "dns-01", "tls-alpn-01"} {
		u.nodeRefused([]string{kind + ".interop.test"}, nil, nodeStep{Names: []string{kind + ".interop.test"}, Challenge: kind, Spoil: true})
	}
	challenges := len(l.requests("/challenge/"))
	u.nodeRefused([]string{`"secret.interop.test" is denied`}, nil, nodeStep{Names: []string{"secret.interop.test"}, Challenge: "http-01"})
	u.nodeRefused([]string{"elsewhere.test"}, nil, nodeStep{Names: []string{"elsewhere.test"}, Challenge: "http-01"})
	require.Len(t, l.requests("/challenge/"), challenges, "refused before any challenge")
	require.Empty(t, l.issued())
	l.refusedEvents(2, "secret.interop.test", "elsewhere.test")
}
