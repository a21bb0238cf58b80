package otelhook_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/otelhook"
	"github.com/chancery-ca/chancery/event"
)

// lab is a hook whose measurements and spans can be looked at.
type lab struct {
	t      testing.TB
	hook   *otelhook.Hook
	reader *sdkmetric.ManualReader
	spans  *tracetest.SpanRecorder
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	var err error
	l.hook, err = otelhook.New(otelhook.Options{
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.reader), sdkmetric.WithCardinalityLimit(100_000)),
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(l.spans)),
	})
	require.NoError(t, err)
	return l
}

// ca makes a CA whose every part is watched.
func (l *lab) ca(options ...authoritytest.Option) *authoritytest.CA {
	l.t.Helper()
	return authoritytest.New(l.t, append(options, func(c *authority.Config) {
		c.Observer, c.Store = l.hook, l.hook.Store(c.Store)
		c.Issuers[0].Signer = l.hook.Signer(c.Issuers[0].Signer)
		nobody := event.SinkFunc(func(context.Context, event.Event) error { return nil })
		c.Outbox = []authority.Delivery{{Name: "audit", Sink: nobody}}
	})...)
}

// point is one attribute set of a metric: a value, or how many values there were.
type point struct {
	attributes attribute.Set
	value      float64
}

func (p point) get(key string) string {
	v, _ := p.attributes.Value(attribute.Key(key))
	return v.String()
}

// measured is a metric as it was collected.
type measured struct {
	instrument, unit string
	points           []point
}

func (m measured) keys() (keys []string) {
	for _, p := range m.points {
		for _, kv := range p.attributes.ToSlice() {
			if !slices.Contains(keys, string(kv.Key)) {
				keys = append(keys, string(kv.Key))
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// one returns the value of the only point whose attributes are those of where ("key=value …").
func (m measured) one(t testing.TB, where string) float64 {
	t.Helper()
	var found []float64
	for _, p := range m.points {
		var all []string
		for _, kv := range p.attributes.ToSlice() {
			all = append(all, string(kv.Key)+"="+kv.Value.String())
		}
		if strings.Join(all, " ") == where {
			found = append(found, p.value)
		}
	}
	require.Len(t, found, 1, "%s in %+v", where, m.points)
	return found[0]
}

func (l *lab) collect() map[string]measured {
	l.t.Helper()
	var rm metricdata.ResourceMetrics
	require.NoError(l.t, l.reader.Collect(context.Background(), &rm))
	out := map[string]measured{}
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			d := measured{unit: m.Unit}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				d.instrument = "histogram"
				for _, p := range data.DataPoints {
					d.points = append(d.points, point{p.Attributes, float64(p.Count)})
				}
			case metricdata.Gauge[float64]:
				d.instrument = "gauge"
				for _, p := range data.DataPoints {
					d.points = append(d.points, point{p.Attributes, p.Value})
				}
			case metricdata.Gauge[int64]:
				d.instrument = "gauge"
				for _, p := range data.DataPoints {
					d.points = append(d.points, point{p.Attributes, float64(p.Value)})
				}
			case metricdata.Sum[int64]:
				d.instrument = map[bool]string{true: "counter", false: "updowncounter"}[data.IsMonotonic]
				for _, p := range data.DataPoints {
					d.points = append(d.points, point{p.Attributes, float64(p.Value)})
				}
			default:
				require.Fail(l.t, "unknown data", "%s is a %T", m.Name, data)
			}
			require.NotContains(l.t, out, m.Name, "two metrics have one name")
			out[m.Name] = d
		}
	}
	return out
}

// unwell is a store that fails to be read, or does not answer.
type unwell struct {
	authority.Store
	err  error
	hang bool
}

func (u *unwell) reading(ctx context.Context) error {
	if u.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return u.err
}

func (u *unwell) CRLs(ctx context.Context, issuer string) ([]*authority.CRL, error) {
	if err := u.reading(ctx); err != nil {
		return nil, err
	}
	return u.Store.CRLs(ctx, issuer)
}

func (u *unwell) Backlog(ctx context.Context, sink string) (authority.Backlog, error) {
	if err := u.reading(ctx); err != nil {
		return authority.Backlog{}, err
	}
	return u.Store.Backlog(ctx, sink)
}

func (u *unwell) Buried(ctx context.Context, sink string, after int64, limit int) ([]authority.DeadLetter, error) {
	if err := u.reading(ctx); err != nil {
		return nil, err
	}
	return u.Store.Buried(ctx, sink, after, limit)
}

func crl(issuer string, at time.Time) *authority.CRL {
	return &authority.CRL{
		CRLScope: authority.CRLScope{Issuer: issuer}, Number: 1, ThisUpdate: at.Add(-time.Hour), NextUpdate: at.Add(23 * time.Hour), DER: []byte{0x30, 0},
	}
}

func issue(ca *authoritytest.CA, name string) *authority.Request {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // fails never, or later
	return &authority.Request{Provisioner: authoritytest.Local, Local: true, CSR: ca.CSR(key, name)}
}

var listed = regexp.MustCompile(`(?m)^//\t(chancery\S+) +(\S+) +(\S+) +(.+)$`)

// The list in the package's documentation is what is really emitted: names, instruments, units and
// attributes.
func TestDocumentationListsWhatIsEmitted(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	want := map[string][]string{}
	for _, m := range listed.FindAllStringSubmatch(string(doc), -1) {
		keys := strings.Fields(m[4])
		slices.Sort(keys)
		want[m[1]] = append([]string{m[2], m[3]}, keys...)
	}
	require.NotEmpty(t, want, "did the list change its form?")

	l := newLab(t)
	sick := &unwell{}
	ca := l.ca(func(c *authority.Config) {
		sick.Store, c.Store = c.Store, sick
		c.Profiles = []authority.Profile{{Name: "servers"}}
		c.Bindings = map[string]authority.Binding{authoritytest.Local: {Profile: "servers"}}
	})
	w, err := l.hook.Watch(ca.Authority, otelhook.WatchOptions{Sinks: []string{"audit"}})
	require.NoError(t, err)
	defer w.Close()
	ca.Issue(issue(ca, "db.internal"))
	ca.Faults.Fail(authoritytest.Sign, 1)
	_, err = ca.Try(issue(ca, "db.internal"))
	require.Error(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.hook.Signer(ca.Signer()).Sign(gone, make([]byte, 32), crypto.SHA256)
	require.Error(t, err)
	_, err = ca.Store.Certificate(t.Context(), "1f")
	require.ErrorIs(t, err, authority.ErrNotFound)
	require.NoError(t, ca.Store.PutCRL(t.Context(), crl("intermediate", time.Now()), nil))
	sick.err = authority.ErrUnavailable
	require.NotContains(t, l.collect(), "chancery.outbox.lag")
	sick.err = nil

	got := map[string][]string{}
	for name, m := range l.collect() {
		got[name] = append([]string{m.instrument, m.unit}, m.keys()...)
	}
	if version := got["chancery.build.info"]; !slices.Contains(version, "chancery.build.version") { // a test binary may not know
		got["chancery.build.info"] = append(version, "chancery.build.version")
	}
	require.Equal(t, want, got)
}
