package otelhook_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/otelhook"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// An authority whose operations, store and key are watched, and what can be read of it. A program would
// have a reader that exports, to Prometheus or by OTLP.
func Example() {
	ctx := context.Background()
	reader := sdkmetric.NewManualReader()
	hook := must(otelhook.New(otelhook.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}))

	key := kms.FromCrypto(must(kms.Generate(kms.ECDSAP256)))
	root := must(authority.SelfSign(ctx, authority.Root{Subject: pkix.Name{CommonName: "My Root"}}, key))
	ca := must(authority.New(authority.Config{
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "root", Chain: []*x509.Certificate{root}, Signer: hook.Signer(key)}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "us", Names: provisioner.Names{DNS: []string{"localhost"}}}},
		Store:        hook.Store(authority.NewMemory()),
		Observer:     hook,
	}))
	watch := must(hook.Watch(ca, otelhook.WatchOptions{}))
	defer watch.Close()

	request := must(authority.NewRequest(must(kms.Generate(kms.ECDSAP256)), "", provisioner.Names{DNS: []string{"localhost"}}))
	must(ca.Issue(ctx, &authority.Request{Provisioner: "us", Local: true, CSR: request}))

	var measured metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &measured); err != nil {
		fmt.Println(err)
	}
	for _, m := range measured.ScopeMetrics[0].Metrics {
		if done, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "chancery.operation.done" {
			fmt.Println(m.Name, done.DataPoints[0].Value, m.Unit)
		}
	}
	// Output: chancery.operation.done 1 {operation}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
