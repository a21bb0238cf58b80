package otelhook_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/otelhook"
	"github.com/chancery-ca/chancery/provisioner"
)

// setups are the ways to be watched.
func setups(b *testing.B) map[string]*otelhook.Hook {
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(discard{}))
	out := map[string]*otelhook.Hook{}
	for name, o := range map[string]otelhook.Options{
		"noop": {}, "metrics": {MeterProvider: metrics}, "metrics+traces": {MeterProvider: metrics, TracerProvider: traces},
	} {
		var err error
		out[name], err = otelhook.New(o)
		require.NoError(b, err)
	}
	return out
}

type discard struct{}

func (discard) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (discard) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (discard) Shutdown(context.Context) error                  { return nil }
func (discard) ForceFlush(context.Context) error                { return nil }

// BenchmarkIssue is the whole pipeline, with every part watched, and without.
func BenchmarkIssue(b *testing.B) {
	run := func(b *testing.B, ca *authoritytest.CA) {
		r := issue(ca, "db.internal")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ca.Authority.Issue(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("none", func(b *testing.B) { run(b, authoritytest.New(b)) })
	for name, hook := range setups(b) {
		b.Run(name, func(b *testing.B) {
			run(b, authoritytest.New(b, func(c *authority.Config) {
				c.Observer, c.Store, c.Issuers[0].Signer = hook, hook.Store(c.Store), hook.Signer(c.Issuers[0].Signer)
			}))
		})
	}
}

// BenchmarkObserver is what the observer itself costs an operation of nine steps.
func BenchmarkObserver(b *testing.B) {
	steps := []authority.Step{
		authority.StepAuthenticate, authority.StepLookup, authority.StepDecide, authority.StepRender, authority.StepCheck,
		authority.StepReserve, authority.StepSign, authority.StepCompare, authority.StepCommit,
	}
	for name, hook := range setups(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, o := hook.Begin(b.Context(), provisioner.X509Sign)
				for _, s := range steps {
					o.Step(s, time.Now())
				}
				o.End(authority.Outcome{Provisioner: "test", Issuer: "intermediate"})
			}
		})
	}
}
