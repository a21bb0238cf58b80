package event_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

func TestSamplesAreComplete(t *testing.T) {
	require.Len(t, eventtest.Samples(), len(event.Types()))
	for i, e := range eventtest.Samples() {
		require.Equal(t, event.Types()[i], e.Type)
		v := reflect.ValueOf(e.Data)
		for i := range v.NumField() {
			require.False(t, v.Field(i).IsZero(), "%T.%s", e.Data, v.Type().Field(i).Name)
		}
	}
}

// The table of attributes of CloudEvents 1.0, sections 3.1.1 and 3.1.2.
func TestCloudEvents(t *testing.T) {
	attribute := regexp.MustCompile(`^[a-z0-9]{1,20}$`)
	for _, e := range eventtest.Samples() {
		b, err := json.Marshal(e)
		require.NoError(t, err)
		var m map[string]any
		require.NoError(t, json.Unmarshal(b, &m))
		for _, name := range []string{"specversion", "id", "source", "type"} { // required
			s, ok := m[name].(string)
			require.True(t, ok && s != "", "%s: %s", e.Type, name)
		}
		require.Equal(t, "1.0", m["specversion"])
		_, err = url.Parse(m["source"].(string))
		require.NoError(t, err)
		require.Regexp(t, `^io\.chancery\.[a-z]+\.[a-z]+$`, m["type"])
		require.Equal(t, "application/json", m["datacontenttype"])
		_, err = time.Parse(time.RFC3339Nano, m["time"].(string))
		require.NoError(t, err)
		require.IsType(t, map[string]any{}, m["data"])
		for name := range m {
			require.Regexp(t, attribute, name)
		}
		var back event.Event
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, e, back)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, s := range []string{
		`{}`, `[]`, `null`, `{"specversion":"0.3","id":"1","source":"/","type":"io.chancery.crl.published"}`,
		`{"specversion":"1.0","id":"1","source":"/","type":"com.example.other","data":{}}`,
		`{"specversion":"1.0","source":"/","type":"io.chancery.crl.published"}`,
		`{"specversion":"1.0","id":"1","type":"io.chancery.crl.published"}`,
		`{"specversion":"1.0","id":"1","source":"/","type":"io.chancery.crl.published","data":{"entries":"many"}}`,
	} {
		var e event.Event
		if s == "null" { // by convention of encoding/json a no-op
			continue
		}
		require.Error(t, json.Unmarshal([]byte(s), &e), s)
	}
}

func FuzzUnmarshal(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzUnmarshal")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again event.Event
		if e.UnmarshalJSON(b) != nil {
			return
		}
		require.NotEmpty(t, e.ID)
		out, err := json.Marshal(e)
		if err != nil {
			return // a year beyond 9999
		}
		require.NoError(t, json.Unmarshal(out, &again))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(out), string(twice))
	})
}

func TestNewID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen, last := map[string]bool{}, ""
		for range 1000 {
			id := event.NewID()
			require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
			require.False(t, seen[id])
			require.Greater(t, id, last)
			seen[id], last = true, id
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Until(time.UnixMilli(0x0123456789ab)))
		require.Equal(t, "01234567-89ab-7", event.NewID()[:15])
	})
}

// One JSON line per event, with who, names, serial and time.
func TestSlog(t *testing.T) {
	var out bytes.Buffer
	s := event.NewSlog(slog.New(slog.NewJSONHandler(&out, nil)))
	for _, e := range eventtest.Samples() {
		out.Reset()
		require.NoError(t, s.Publish(t.Context(), e))
		require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")))
		var line, data map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &line))
		b, err := json.Marshal(e.Data)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &data))
		for k, v := range data {
			require.Equal(t, v, line[k], "%s: %s", e.Type, k)
		}
		require.Equal(t, "io.chancery."+line["msg"].(string), string(e.Type))
		require.Equal(t, e.ID, line["id"])
		require.Equal(t, "2030-01-02T03:04:05Z", line["time"])
		require.Equal(t, string(e.Type), line["type"])
	}
	out.Reset()
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[0]))
	require.Equal(t, `{"time":"2030-01-02T03:04:05Z","level":"INFO","msg":"certificate.issued","id":"sample-a",`+
		`"type":"io.chancery.certificate.issued","source":"/ca","serial":"1f","issuer":"issuing","subject":"alice",`+
		`"names":["a.internal","b.internal"],"notBefore":"2030-01-02T03:04:05Z","notAfter":"2030-01-02T04:04:05Z",`+
		`"fingerprint":"f1","key":"k1","provisioner":"web","profile":"server","entity":"host-1","previous":"1e","requestId":"r1"}`+"\n", out.String())
}

func TestSlogLevels(t *testing.T) {
	levels := map[event.Type]string{
		event.RequestRefused: "WARN", event.ValidityTruncated: "WARN", event.IssuerExpiring: "WARN", event.CertificateExpiring: "WARN",
		event.OrderFailed: "WARN", event.ChallengeFailed: "WARN",
		event.IssuanceAbandoned: "ERROR", event.ConfigRejected: "ERROR",
	}
	var out bytes.Buffer
	all := event.NewSlog(slog.New(slog.NewTextHandler(&out, nil)))
	var few bytes.Buffer
	errors := event.NewSlog(slog.New(slog.NewTextHandler(&few, &slog.HandlerOptions{Level: slog.LevelError})))
	for _, e := range eventtest.Samples() {
		out.Reset()
		require.NoError(t, all.Publish(t.Context(), e))
		require.NoError(t, errors.Publish(t.Context(), e))
		want := levels[e.Type]
		if want == "" {
			want = "INFO"
		}
		require.Contains(t, out.String(), "level="+want)
	}
	require.Equal(t, 2, bytes.Count(few.Bytes(), []byte("\n")))
	require.NoError(t, event.NewSlog(nil).Publish(t.Context(), eventtest.Samples()[0]))
	require.NoError(t, all.Publish(t.Context(), event.Event{Type: "odd", Subject: "x\ny"}), "no data")
	require.Equal(t, 1, bytes.Count(out.Bytes()[bytes.IndexByte(out.Bytes(), '\n')+1:], []byte("\n")), "no line of its own")
}
