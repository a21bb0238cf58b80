package otelhook

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The attributes, as package documentation lists them.
const (
	keyOperation   = attribute.Key("chancery.operation")
	keyProvisioner = attribute.Key("chancery.provisioner")
	keyProfile     = attribute.Key("chancery.profile")
	keyIssuer      = attribute.Key("chancery.issuer")
	keyStep        = attribute.Key("chancery.step")
	keyKind        = attribute.Key("chancery.error.kind")
	keyError       = attribute.Key("error.type") // of OpenTelemetry's conventions, and so is other
	keyMethod      = attribute.Key("chancery.store.method")
	keyAlgorithm   = attribute.Key("chancery.key.algorithm")
	keyRoot        = attribute.Key("chancery.root")
	keySink        = attribute.Key("chancery.sink")
	keyShard       = attribute.Key("chancery.crl.shard")
	keyDelta       = attribute.Key("chancery.crl.delta")
	keyReading     = attribute.Key("chancery.reading")
	keyVersion     = attribute.Key("chancery.build.version")
	keyGo          = attribute.Key("chancery.build.go")
)

// other stands for what is not among the values that an attribute may have.
const other = "_OTHER"

// values are what an attribute may be, up to max of them.
type values struct {
	max int
	mu  sync.RWMutex
	all map[string]bool
}

func (v *values) has(s string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.all[s]
}

// learn admits one more, and returns what the attribute is to be.
func (v *values) learn(s string) string {
	if v.has(s) {
		return s
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.all) >= v.max && !v.all[s] {
		return other
	}
	if v.all == nil {
		v.all = map[string]bool{}
	}
	v.all[s] = true
	return s
}

// code bounds the code of an error: those of provisioners and decisions are not this module's own.
func (h *Hook) code(s string) string {
	if h.codes.has(s) {
		return s
	}
	if s == "" || len(s) > 64 {
		return other
	}
	for _, c := range []byte(s) {
		if (c < 'a' || 'z' < c) && (c < '0' || '9' < c) && c != '-' {
			return other
		}
	}
	return h.codes.learn(s)
}

// sets keeps the attributes of measurements that are made often, by two values of which there are few.
type sets struct{ made sync.Map } // [2]string → []metric.RecordOption

func (s *sets) of(a attribute.Key, av string, b attribute.Key, bv string) []metric.RecordOption {
	key := [2]string{av, bv}
	if o, ok := s.made.Load(key); ok {
		return o.([]metric.RecordOption)
	}
	o, _ := s.made.LoadOrStore(key, []metric.RecordOption{attributes(a.String(av), b.String(bv))})
	return o.([]metric.RecordOption)
}
