// Package otelhook shows what an authority does as metrics and traces, through the OpenTelemetry API. Which
// SDK takes them, and where they go, is the embedder's matter; nothing is read from OpenTelemetry's globals.
//
//	hook, err := otelhook.New(otelhook.Options{MeterProvider: meters, TracerProvider: tracers})
//	ca, err := authority.New(authority.Config{
//		Observer: hook,
//		Store:    hook.Store(store),
//		Issuers:  []authority.Issuer{{Name: "web", Chain: chain, Signer: hook.Signer(key)}},
//		// …
//	})
//	watch, err := hook.Watch(ca, otelhook.WatchOptions{Sinks: []string{"audit"}})
//	defer watch.Close()
//
// One hook serves one authority.
//
// # Metrics
//
// Name, instrument, unit and attributes; durations are in seconds. An attribute that has no value is left out.
//
//	chancery.operation.duration     histogram     s             chancery.operation chancery.provisioner chancery.error.kind
//	chancery.operation.active       updowncounter {operation}   chancery.operation
//	chancery.operation.done         counter       {operation}   chancery.operation chancery.provisioner chancery.profile chancery.issuer
//	chancery.operation.errors       counter       {operation}   chancery.operation chancery.provisioner chancery.step chancery.error.kind error.type
//	chancery.step.duration          histogram     s             chancery.operation chancery.step
//	chancery.store.duration         histogram     s             chancery.store.method error.type
//	chancery.signer.duration        histogram     s             chancery.key.algorithm error.type
//	chancery.issuer.remaining       gauge         s             chancery.issuer
//	chancery.root.remaining         gauge         s             chancery.root
//	chancery.outbox.lag             gauge         s             chancery.sink
//	chancery.outbox.dead_letters    gauge         {event}       chancery.sink
//	chancery.crl.age                gauge         s             chancery.issuer chancery.crl.shard chancery.crl.delta
//	chancery.crl.remaining          gauge         s             chancery.issuer chancery.crl.shard chancery.crl.delta
//	chancery.watch.failures         counter       {reading}     chancery.reading
//	chancery.build.info             gauge         1             chancery.build.version chancery.build.go
//
// Every operation is counted in the duration, and in either done or errors, where error.type is the Code of
// the [authority.Error]. What remains is counted to the end: of the first certificate of an issuer's chain to
// end, of a root, which has the name of the first half of its SHA-256 fingerprint, and to the nextUpdate of
// the CRLs of issuers that are not retired. It is negative once that has passed. The gauges are there while
// a [Watch] is open, and the counter of its failures once there was one; dead letters are counted up to 100.
//
// # Traces
//
// A span for each operation, of the operation's name ("x509/sign"), with a child for each step ("step/check"),
// and for each call of the store ("store/Reserve") and of a key ("signer/Sign") that an operation makes. What
// fails has the status Error, whose description is the error's code and never its text. Calls of the store and
// keys that nobody traces make no spans: background work would be nothing else.
//
// # Attributes are bounded
//
// Nothing that a client sends becomes an attribute. The name of a provisioner is one that the watched
// authority has, or one under which something was done; error codes are at most 200 that look like codes.
// Everything else is "_OTHER".
package otelhook
