package interop

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// auditFilter says, for jq, what a line of the audit file is.
const auditFilter = `
def text: type == "string" and length > 0;
def moment: text and (sub("\\.[0-9]+Z$"; "Z") | fromdateiso8601 > 1700000000);
def serial: text and test("^[0-9a-f]+$");
def envelope: .specversion == "1.0" and (.id | text) and (.source | text) and (.type | text) and (.time | moment);
def certificate: (.serial | serial) and (.issuer | text) and (.subject | text) and (.names | length > 0 and all(text))
	and (.provisioner | text) and (.profile | text) and (.notBefore | moment) and (.notAfter | moment) and (.fingerprint | text);
def refusal: (.operation | text) and (.step | text) and (.kind | text) and (.reason | text) and (.provisioner | text)
	and (.subject | text) and (.names | length > 0 and all(text));
def revocation: (.serial | serial) and (.by | text) and (.revokedAt | moment) and (.reasonCode | type == "number");
def of(t): .type == "io.chancery." + t;
def line: envelope and (.data | type == "object") and
	if of("request.refused") then .data | refusal
	elif of("certificate.revoked") then .data | revocation
	elif of("certificate.issued") and (.data.subject | startswith("CN=OCSP responder of ")) then .data.serial | serial
	elif of("certificate.issued") or of("certificate.renewed") then .data | certificate
	else true end;
def count(t; f): [.[] | select(of(t)) | .data | select(f)] | length;
map(select(line | not)) as $bad
| if ($bad | length) > 0 then error("not a line of an audit: " + ($bad[0] | tojson)) else . end
| ([.[].id] | length == (unique | length))
and count("certificate.issued"; .names == ["srv.internal", "www.internal"] and .serial == $issued and .provisioner == "admin" and (.requestId | text)) == 1
and count("certificate.renewed"; .serial == $renewed and .previous == $issued) == 1
and count("certificate.revoked"; .serial == $renewed and .reasonCode == 4 and .by != "") == 1
and count("request.refused"; .names == ["late.internal"] and (.reason | contains("24h"))) == 1
and count("request.refused"; .names == ["srv.internal", "www.internal"] and .code == "spent") == 1
`

// logFilter looks at the program's log: the same events, those of requests by nobody known as well, and for each
// request the host that it came from.
const logFilter = `
[.[] | select(.type != null and .requestId != null)] as $events
| ([.[] | select(.msg == "request") | {(.request): .remote}] | add) as $from
| ($events | length > 0)
and ($events | all($from[.requestId] | test("^127\\.0\\.0\\.1:[0-9]+$")))
and ($events | all(.time != null and .id != null and .source != null))
and ([$events[] | select(.msg == "certificate.issued" and .serial == $issued)] | length == 1)
and ([$events[] | select(.msg == "request.refused" and .names == ["late.internal"])] | length == 1)
and ([$events[] | select(.msg == "request.refused" and .step == "authenticate")] | length == 1)
`

// G20: one JSON line for each certificate and each refusal, with who, names, serial and time, in the audit file;
// and the log, which says of all requests where they came from.
func TestAuditLines(t *testing.T) {
	t.Parallel()
	ours(t, "it has no such file")
	s := makeFolder(t, options{})
	s.own(t, `{"sinks": {"audit": {"type": "file", "path": "audit.jsonl", "holdAfter": "1m"}}, "revocation": {"ocsp": true, "pointers": {}}}`)
	s.start(t)
	u := user(t, s)
	c := certctl{s, s.provisionerKey(t, "admin")}
	status, _ := c.sign(t, c.token(t, "/1.0/revoke", "odd.internal"), time.Time{}, time.Time{}, "odd.internal")
	require.Equal(t, http.StatusUnauthorized, status)
	token := u.token("srv.internal", "--san", "srv.internal", "--san", "www.internal")
	issued := u.certificate("srv", "srv.internal", "--token", token).SerialNumber.Text(16)
	u.denied("again", "srv.internal", "--token", token)
	u.denied("late", "late.internal", "--not-after", "25h")
	renewed := u.renew("srv").SerialNumber.Text(16)
	u.step("ca", "revoke", "--cert", "srv.crt", "--key", "srv.key", "--reasonCode", superseded.step)

	file := &client{t: t, home: s.dir}
	file.write("audit.jq", auditFilter)
	serials := []string{"--arg", "issued", issued, "--arg", "renewed", renewed}
	require.Eventually(t, func() bool { return strings.Contains(file.read("audit.jsonl"), "certificate.revoked") }, 20*time.Second, 20*time.Millisecond)
	file.run("jq", append(serials, "-e", "-s", "-f", "audit.jq", "audit.jsonl")...)
	require.NotContains(t, file.read("audit.jsonl"), strings.TrimSpace(token))

	file.write("log.jq", logFilter)
	var lines strings.Builder
	for line := range strings.Lines(s.stderr.String()) {
		if strings.HasPrefix(line, "{") { // the rest is the banner
			lines.WriteString(line)
		}
	}
	file.write("log.jsonl", lines.String())
	file.run("jq", append(serials, "-e", "-s", "-f", "log.jq", "log.jsonl")...)

	// A filter that passes everything would show nothing.
	file.write("bad.jsonl", strings.Replace(file.read("audit.jsonl"), `"names":["srv.internal","www.internal"]`, `"names":[]`, 1))
	require.Contains(t, file.refused("jq", append(serials, "-e", "-s", "-f", "audit.jq", "bad.jsonl")...), "not a line of an audit")
}
