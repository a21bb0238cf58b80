package event

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"time"
)

// NewSlog returns a Sink that writes one record per event: the message is the type without its prefix
// ("certificate.issued"), the time is the event's, and its data are attributes beside it under the names
// they have in JSON, empty ones left out. Refusals, failures of ACME clients and what is about to expire are warnings, abandoned
// issuance and rejected configurations errors, the rest information. A nil logger discards.
func NewSlog(logger *slog.Logger) Sink {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return slogSink{logger.Handler()}
}

type slogSink struct{ h slog.Handler }

func (s slogSink) Publish(ctx context.Context, e Event) error {
	level := e.Type.Level()
	if !s.h.Enabled(ctx, level) {
		return nil
	}
	r := slog.NewRecord(e.Time, level, strings.TrimPrefix(string(e.Type), typePrefix), 0)
	r.AddAttrs(slog.String("id", e.ID), slog.String("type", string(e.Type)), slog.String("source", e.Source))
	attrs := attrsOf(e.Data)
	if e.Subject != "" && !hasSubject(attrs) {
		r.AddAttrs(slog.String("subject", e.Subject))
	}
	r.AddAttrs(attrs...)
	return s.h.Handle(ctx, r)
}

const typePrefix = "io.chancery."

// Level returns how much an event of type t asks for attention.
func (t Type) Level() slog.Level {
	switch t {
	case RequestRefused, ValidityTruncated, IssuerExpiring, CertificateExpiring, OrderFailed, ChallengeFailed:
		return slog.LevelWarn
	case IssuanceAbandoned, ConfigRejected:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// attrsOf lists the fields of one of this package's structs under their JSON names.
func attrsOf(d Data) []slog.Attr {
	v := reflect.ValueOf(d)
	if v.Kind() != reflect.Struct {
		return nil
	}
	attrs := make([]slog.Attr, 0, v.NumField())
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := v.Field(i)
		if f.IsZero() && options == "omitempty" {
			continue
		}
		if t, ok := f.Interface().(time.Time); ok {
			attrs = append(attrs, slog.Time(name, t.UTC()))
			continue
		}
		attrs = append(attrs, slog.Any(name, f.Interface()))
	}
	return attrs
}

// hasSubject: the data's subject is who; the envelope's is what it happened to, which the data names too.
func hasSubject(attrs []slog.Attr) bool {
	for _, a := range attrs {
		if a.Key == "subject" {
			return true
		}
	}
	return false
}
