package otelhook

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// Begin implements [authority.Observer].
func (h *Hook) Begin(ctx context.Context, op provisioner.Operation) (context.Context, authority.Observation) {
	o := &operation{hook: h, name: other, began: time.Now()}
	if slices.Contains(provisioner.Operations(), op) {
		o.name = string(op)
	}
	o.ctx, o.span = h.tracer.Start(ctx, o.name, trace.WithTimestamp(o.began))
	o.traced = o.span.IsRecording()
	if h.active.Enabled(ctx) {
		h.active.Add(o.ctx, 1, attributes(keyOperation.String(o.name)))
	}
	return o.ctx, o
}

// operation is one under watch.
type operation struct {
	hook   *Hook
	name   string
	began  time.Time
	ctx    context.Context // of the span, for its children
	span   trace.Span
	traced bool

	// The last step's span, and when it ended. Only what comes after a step tells whether it failed.
	step      trace.Span
	stepName  authority.Step
	stepEnded time.Time
}

// Step implements [authority.Observation].
func (o *operation) Step(s authority.Step, began time.Time) {
	ended := time.Now()
	if o.hook.step.Enabled(o.ctx) {
		o.hook.step.Record(o.ctx, ended.Sub(began).Seconds(), o.hook.steps.of(keyOperation, o.name, keyStep, string(s))...)
	}
	if !o.traced {
		return
	}
	o.endStep()
	_, o.step = o.hook.tracer.Start(o.ctx, "step/"+string(s), trace.WithTimestamp(began))
	o.stepName, o.stepEnded = s, ended
}

func (o *operation) endStep() {
	if o.step != nil {
		o.step.End(trace.WithTimestamp(o.stepEnded))
		o.step = nil
	}
}

// End implements [authority.Observation].
func (o *operation) End(out authority.Outcome) {
	h, seconds := o.hook, time.Since(o.began).Seconds()
	by := keyProvisioner.String(h.provisioner(out.Provisioner, out.Err == nil))
	profile, issuer := keyProfile.String(out.Profile), keyIssuer.String(out.Issuer)
	op, kind, step, code := keyOperation.String(o.name), keyKind.String(""), keyStep.String(""), keyError.String("")
	if e := out.Err; e != nil {
		kind, step, code = keyKind.String(kindOf(e)), keyStep.String(string(e.Step)), keyError.String(h.code(e.Code))
	}
	if h.duration.Enabled(o.ctx) {
		h.duration.Record(o.ctx, seconds, attributes(op, by, kind))
	}
	if h.active.Enabled(o.ctx) {
		h.active.Add(o.ctx, -1, attributes(op))
	}
	if out.Err == nil && h.done.Enabled(o.ctx) {
		h.done.Add(o.ctx, 1, attributes(op, by, profile, issuer))
	}
	if out.Err != nil && h.errors.Enabled(o.ctx) {
		h.errors.Add(o.ctx, 1, attributes(op, by, step, kind, code))
	}
	if !o.traced {
		return
	}
	if out.Err != nil {
		o.span.SetStatus(codes.Error, code.Value.AsString())
		if o.step != nil && o.stepName == out.Err.Step {
			o.step.SetStatus(codes.Error, code.Value.AsString())
		}
	}
	o.endStep()
	o.span.SetAttributes(present([]attribute.KeyValue{op, by, profile, issuer, step, kind, code})...)
	o.span.End()
}

// kindOf is the kind of e, or other for one that a program made up.
func kindOf(e *authority.Error) string {
	if slices.Contains(authority.Kinds(), e.Kind) {
		return string(e.Kind)
	}
	return other
}

// provisioner bounds the name of a provisioner. That of a request which was refused may be whatever the
// client wrote, unless the authority has one of that name.
func (h *Hook) provisioner(name string, done bool) string {
	if name == "" || h.names.has(name) {
		return name
	}
	if done || h.configured(name) {
		return h.names.learn(name)
	}
	return other
}

func (h *Hook) configured(name string) bool {
	w := h.watch.Load()
	return w != nil && slices.ContainsFunc(w.ca.Provisioners(), func(p provisioner.Provisioner) bool { return p.Name() == name })
}
