package otelhook

import (
	"context"
	"crypto"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"

	"github.com/chancery-ca/chancery/kms"
)

// Signer measures the signatures of s. attrs, of which there should be few values, are added to the
// measurements, to tell keys from one another. What s can do beside signing is there behind Unwrap. A nil s stays nil.
func (h *Hook) Signer(s kms.Signer, attrs ...attribute.KeyValue) kms.Signer {
	if s == nil { // a retired issuer needs none
		return nil
	}
	algorithm := other
	if a, _, err := kms.SignatureAlgorithm(s.Public()); err == nil {
		algorithm = a.String()
	}
	m := &signer{Signer: s, hook: h, outcomes: map[string][]metric.RecordOption{}}
	for _, outcome := range []string{"", timeout, canceled, other} {
		all := append([]attribute.KeyValue{keyAlgorithm.String(algorithm), keyError.String(outcome)}, attrs...)
		m.outcomes[outcome] = []metric.RecordOption{attributes(all...)}
	}
	return m
}

type signer struct {
	kms.Signer
	hook     *Hook
	outcomes map[string][]metric.RecordOption // by type of error; immutable
}

func (s *signer) Unwrap() kms.Signer { return s.Signer }

func (s *signer) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	inner, span := s.hook.child(ctx, "signer/Sign")
	began := time.Now()
	signature, err := s.Signer.Sign(inner, digest, opts)
	outcome := interruption(err)
	if s.hook.signer.Enabled(inner) {
		s.hook.signer.Record(inner, time.Since(began).Seconds(), s.outcomes[outcome]...)
	}
	if span != nil {
		if err != nil {
			span.SetStatus(codes.Error, outcome)
		}
		span.End()
	}
	return signature, err
}

// What ended a call that was not answered.
const (
	timeout  = "timeout"
	canceled = "canceled"
)

// interruption is the type of an error of which nothing more is known; empty for nil.
func interruption(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	case errors.Is(err, context.Canceled):
		return canceled
	}
	return other
}
