package webhook_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2/event"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/event/webhook"
)

var update = flag.Bool("update", false, "rewrite golden files")

// request is what a sink would send.
type request struct {
	wire   []byte
	header http.Header
	body   []byte
}

// RoundTrip makes request the transport of a client.
func (r *request) RoundTrip(req *http.Request) (*http.Response, error) {
	var wire bytes.Buffer
	if err := req.Clone(req.Context()).Write(&wire); err != nil {
		return nil, err
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	r.wire, r.header = wire.Bytes(), req.Header
	r.body, err = io.ReadAll(body)
	return &http.Response{StatusCode: 204, Body: http.NoBody}, err
}

// requestOf is the request for e; for the same time of day it is the same bytes.
func requestOf(t *testing.T, mode webhook.Mode, e event.Event, secrets ...string) *request {
	r := new(request)
	c := webhook.Config{URL: "https://hooks.internal/ca?x=1", Mode: mode, Client: &http.Client{Transport: r}}
	for _, s := range secrets {
		c.Secrets = append(c.Secrets, secret(t, s))
	}
	require.NoError(t, open(t, c).Publish(t.Context(), e))
	return r
}

func TestGoldenRequests(t *testing.T) {
	for name, mode := range map[string]webhook.Mode{"structured": webhook.Structured, "binary": webhook.Binary} {
		synctest.Test(t, func(t *testing.T) { // at a fixed time
			e := eventtest.Samples()[0]
			e.Subject = "CN=Zoë 100%"
			got := requestOf(t, mode, e, newSecret, oldSecret).wire
			file := "testdata/" + name + ".http"
			if *update {
				require.NoError(t, os.WriteFile(file, got, 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

// Each secret alone verifies, and any change does not.
func TestSignature(t *testing.T) {
	r := requestOf(t, webhook.Structured, eventtest.Samples()[0], newSecret, oldSecret)
	require.Len(t, strings.Split(r.header.Get("webhook-signature"), " "), 2)
	for _, s := range []string{oldSecret, newSecret} {
		wh, err := standardwebhooks.NewWebhook(s)
		require.NoError(t, err)
		require.NoError(t, wh.Verify(r.body, r.header))
		require.Error(t, wh.Verify(append([]byte(" "), r.body...), r.header))
		for name, value := range map[string]string{"webhook-id": "other", "webhook-timestamp": fmt.Sprint(time.Now().Unix() + 1)} {
			h := r.header.Clone()
			h.Set(name, value)
			require.Error(t, wh.Verify(r.body, h), name)
		}
	}
	wh, err := standardwebhooks.NewWebhook(webhook.NewSecret().Reveal())
	require.NoError(t, err)
	require.Error(t, wh.Verify(r.body, r.header))
	require.Empty(t, requestOfUnsigned(t).header.Get("webhook-signature"))
}

func requestOfUnsigned(t *testing.T) *request {
	r := new(request)
	s := open(t, webhook.Config{URL: "https://hooks.internal", Unsigned: true, Client: &http.Client{Transport: r}})
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[0]))
	return r
}

// The SDK of CloudEvents finds both modes valid, and the same.
func TestCloudEventsSDK(t *testing.T) {
	for _, sample := range eventtest.Samples() {
		sample.Subject = `odd "Zoë" 100%`
		var e sdk.Event
		r := requestOf(t, webhook.Structured, sample, oldSecret)
		require.Equal(t, "application/cloudevents+json; charset=utf-8", r.header.Get("Content-Type"))
		require.NoError(t, json.Unmarshal(r.body, &e))
		require.NoError(t, e.Validate())

		r = requestOf(t, webhook.Binary, sample, oldSecret)
		b := sdk.New(r.header.Get("ce-specversion"))
		attribute := func(name string) string {
			v, err := url.PathUnescape(r.header.Get("ce-" + name))
			require.NoError(t, err)
			return v
		}
		at, err := time.Parse(time.RFC3339Nano, attribute("time"))
		require.NoError(t, err)
		b.SetID(attribute("id"))
		b.SetSource(attribute("source"))
		b.SetType(attribute("type"))
		b.SetSubject(attribute("subject"))
		b.SetTime(at)
		b.SetDataContentType(r.header.Get("Content-Type"))
		b.DataEncoded = r.body
		require.NoError(t, b.Validate())
		require.Equal(t, e.String(), b.String())
		require.Equal(t, sample.Subject, b.Subject())
		require.Equal(t, string(sample.Type), b.Type())
	}
}

const verifyScript = `
const { Webhook } = require("standardwebhooks");
const { secret, headers, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
try { new Webhook(secret).verify(body, headers); console.log("valid"); } catch (e) { console.log("invalid: " + e.message); }
`

// The library for JavaScript agrees.
func TestNodeVerifies(t *testing.T) {
	missing := func(what string) {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatalf("%s is missing", what)
		}
		t.Skipf("%s is missing", what)
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(program)
		}
	}
	root, err := exec.Command("npm", "root", "--global").Output()
	if err != nil {
		missing("npm's global folder")
	}
	verify := func(secret string, r *request, body []byte) string {
		headers := map[string]string{}
		for name := range r.header {
			headers[strings.ToLower(name)] = r.header.Get(name)
		}
		in, err := json.Marshal(map[string]any{"secret": secret, "headers": headers, "body": string(body)})
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), "node", "-e", verifyScript)
		cmd.Env = append(os.Environ(), "NODE_PATH="+strings.TrimSpace(string(root))+string(os.PathListSeparator)+os.Getenv("NODE_PATH"))
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.CombinedOutput()
		if bytes.Contains(out, []byte("Cannot find module 'standardwebhooks'")) {
			missing("the npm package standardwebhooks")
		}
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	for _, mode := range []webhook.Mode{webhook.Structured, webhook.Binary} {
		e := eventtest.Samples()[0]
		e.Subject = "Zoë"
		r := requestOf(t, mode, e, newSecret, oldSecret)
		require.Equal(t, "valid", verify(oldSecret, r, r.body))
		require.Equal(t, "valid", verify(newSecret, r, r.body))
		require.Contains(t, verify(webhook.NewSecret().Reveal(), r, r.body), "invalid")
		require.Contains(t, verify(oldSecret, r, append(r.body, ' ')), "invalid")
	}
}
