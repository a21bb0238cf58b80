package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// providerScript is an OpenID provider: the npm package oidc-provider with a client for step, and people who are known
// by their e-mail address. Whoever logs in is asked nothing but their name.
const providerScript = `
import fs from "node:fs";
import https from "node:https";
const { Provider } = await import(process.argv[2]);
const { port, key, cert, people } = JSON.parse(process.argv[3]);
const provider = new Provider("https://localhost:" + port, {
	clients: [{
		client_id: "step", client_secret: "not-a-secret", application_type: "native", token_endpoint_auth_method: "client_secret_basic",
		redirect_uris: ["http://127.0.0.1", "http://127.0.0.1:10000"], grant_types: ["authorization_code"], response_types: ["code"],
	}],
	pkce: { required: () => true },
	conformIdTokenClaims: false,
	claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
	scopes: ["openid", "email", "groups"],
	async findAccount(_, id) {
		return { accountId: id, claims: async () => ({ sub: id, email: id, email_verified: people[id]?.verified ?? true, groups: people[id]?.groups ?? [] }) };
	},
	features: { devInteractions: { enabled: true } },
	ttl: { IdToken: 3600 },
});
https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, provider.callback()).listen(port, "127.0.0.1", () => console.log("listening"));
`

// browserScript is what step opens: it follows redirects, keeps cookies, and fills in the forms that it meets.
const browserScript = `#!/usr/bin/env node
const jar = {};
async function go(url, options = {}) {
	for (let i = 0; i < 20; i++) {
		const host = new URL(url).host;
		jar[host] ??= {};
		const cookie = Object.entries(jar[host]).map(([k, v]) => k + "=" + v).join("; ");
		const r = await fetch(url, { redirect: "manual", ...options, headers: { cookie, ...options.headers } });
		for (const c of r.headers.getSetCookie()) {
			const [k, v] = c.split(";")[0].split("=");
			if (v) jar[host][k] = v; else delete jar[host][k];
		}
		if (r.status < 300 || r.status >= 400) return [url, await r.text()];
		url = new URL(r.headers.get("location"), url).href;
		options = {};
	}
	throw new Error("too many redirects");
}
(async () => {
	let [url, page] = await go(process.argv[2]);
	for (let i = 0; i < 5; i++) {
		const form = page.match(/<form[^>]*action="([^"]+)"/);
		if (!form) break;
		const fields = new URLSearchParams();
		for (const [, tag] of page.matchAll(/<input([^>]*)>/g)) {
			const name = tag.match(/name="([^"]+)"/), value = tag.match(/value="([^"]*)"/);
			if (name) fields.set(name[1], name[1] === "login" ? process.env.WHO : value ? value[1] : "x");
		}
		[url, page] = await go(new URL(form[1].replaceAll("&amp;", "&"), url).href, { method: "POST", body: fields.toString(), headers: { "content-type": "application/x-www-form-urlencoded" } });
	}
})();
`

// person is somebody that the provider knows more of.
type person struct {
	Verified bool     `json:"verified"`
	Groups   []string `json:"groups"`
}

// openProvider starts an OpenID provider with a certificate of the CA, and returns its URL.
func openProvider(t *testing.T, s *server, c *client, people map[string]person) string {
	t.Helper()
	node := need(t, "node")
	modules := strings.TrimSpace(c.run("npm", "root", "--global"))
	module := filepath.Join(modules, "oidc-provider", "lib", "index.js")
	if _, err := os.Stat(module); err != nil {
		unavailable(t, "the npm package oidc-provider is not installed; get it with: npm install --global oidc-provider@9.13.3")
	}
	c.certificate("idp", "localhost")
	port := freePort(t)
	script := c.write("provider.mjs", providerScript)
	settings, err := json.Marshal(map[string]any{"port": port, "key": c.path("idp.key"), "cert": c.path("idp.crt"), "people": people})
	require.NoError(t, err)
	cmd := exec.Command(node, script, module, string(settings))
	log := &output{}
	cmd.Env, cmd.Stdout, cmd.Stderr = append(environment(c.home), "NODE_EXTRA_CA_CERTS="+s.root()), log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the provider's output:\n%s", clip(log.String()))
		}
	})
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "listening") }, 30*time.Second, 20*time.Millisecond, "the provider does not start")
	return "https://localhost:" + port
}

// browser puts a browser on PATH, and returns what a program needs to use it as somebody.
func (c *client) browser(s *server, who string) []string {
	c.t.Helper()
	bin := c.path("bin")
	require.NoError(c.t, os.MkdirAll(bin, 0o755))
	for _, name := range []string{"xdg-open", "sensible-browser", "x-www-browser", "www-browser"} {
		require.NoError(c.t, os.WriteFile(filepath.Join(bin, name), []byte(browserScript), 0o755))
	}
	return []string{
		"PATH=" + bin + ":" + filepath.Dir(need(c.t, "node")) + ":" + filepath.Dir(need(c.t, "step")) + ":" + os.Getenv("PATH"),
		"WHO=" + who, "SSL_CERT_FILE=" + s.root(), "NODE_EXTRA_CA_CERTS=" + s.root(),
	}
}

// people log in at an OpenID provider, and at a host with what they get for it. The certificate is in the agent and
// nowhere else. H02, H04 to H06, H08, H09, G05, G06, G14, G15, C10, T of the whole chain.
func TestSSHLogin(t *testing.T) {
	t.Parallel()
	s := makeFolder(t, options{byStep: []string{"--ssh"}})
	s.env = []string{"SSL_CERT_FILE=" + s.root()}
	s.start(t)
	c := user(t, s)
	url := openProvider(t, s, c, map[string]person{"mallory@example.com": {Verified: false}})
	out, err := c.with([]string{"SSL_CERT_FILE=" + s.root()}, "step", "ca", "provisioner", "add", "people", "--ca-config", s.config(), "--type", "OIDC", "--ssh",
		"--client-id", "step", "--client-secret", "not-a-secret", "--configuration-endpoint", url+"/.well-known/openid-configuration", "--domain", "example.com")
	require.NoError(t, err, out)
	s.reload(t, s.has(t, "people"))

	me := account(t) + "@example.com"
	socket := c.agent()
	as := func(who string) []string { return append(c.browser(s, who), "SSH_AUTH_SOCK="+socket) }
	out, err = c.with(as(me), "step", "ssh", "login", me, "--provisioner", "people")
	require.NoError(t, err, out)
	listed, err := c.with(as(me), "ssh-add", "-L")
	require.NoError(t, err, listed)
	require.Contains(t, listed, "ecdsa-sha2-nistp256-cert-v01@openssh.com")
	c.write("agent-cert.pub", listed)
	listing := c.listing("agent-cert.pub")
	require.Contains(t, listing, `Key ID: "`+me+`"`)
	require.Contains(t, listing, "                "+account(t)+"\n")
	requireLife(t, listing, 16*time.Hour)
	out, err = c.with(as(me), "step", "ssh", "list")
	require.NoError(t, err, out)
	require.Contains(t, out, me)
	for _, dir := range []string{"ssh", "."} { // nothing of it is on the disk
		files, err := filepath.Glob(c.path(filepath.Join(dir, "*")))
		require.NoError(t, err)
		for _, f := range files {
			require.False(t, strings.HasSuffix(f, "-cert.pub") && !strings.HasSuffix(f, "agent-cert.pub"), f)
		}
	}

	c.host("web.internal")
	c.trustHosts()
	d := startSSHD(t, c)
	through := func(who string, options ...string) (string, error) {
		args := append(options, "-F", "none", "-p", d.port, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+c.path("known_hosts"),
			"-o", "GlobalKnownHostsFile=none", "-o", "HostKeyAlias=web.internal", account(t)+"@127.0.0.1", "echo welcome")
		return c.with(as(who), "ssh", args...)
	}
	out, err = through(me)
	require.NoError(t, err, out)
	require.Contains(t, out, "welcome")
	require.Contains(t, d.said(), me)

	// A second device, and people who may not.
	other := user(t, s)
	second := other.agent()
	out, err = other.with(append(other.browser(s, me), "SSH_AUTH_SOCK="+second), "step", "ssh", "login", me, "--provisioner", "people")
	require.NoError(t, err, out)
	for who, why := range map[string]string{"eve@example.org": "domain", "mallory@example.com": "verified"} {
		out, err = other.with(append(other.browser(s, who), "SSH_AUTH_SOCK="+second), "step", "ssh", "login", who, "--provisioner", "people")
		require.Error(t, err, who)
		require.Contains(t, out, why, who)
	}

	// After logging out nobody is let in, until ssh itself has step log in again.
	out, err = c.with(as(me), "step", "ssh", "logout", "--all")
	require.NoError(t, err, out)
	out, err = through(me)
	require.Error(t, err, out)
	proxy := fmt.Sprintf("ProxyCommand=step ssh proxycommand --provisioner people %%r@example.com 127.0.0.1 %s", d.port)
	out, err = through(me, "-o", proxy)
	require.NoError(t, err, out)
	require.Contains(t, out, "welcome")
}
