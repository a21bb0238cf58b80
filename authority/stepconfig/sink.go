package stepconfig

import (
	"slices"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// Sink is an entry of chancery.json's sinks: who must not miss an event. The program that runs the authority
// opens it, so that it links only the kinds that it wants to serve. Paths are resolved.
type Sink struct {
	Name      string        // stays the same across restarts: events wait under it
	Kind      string        // file, webhook, nats or syslog
	Types     []event.Type  // nil: all
	HoldAfter time.Duration // as authority.Delivery has it
	GiveUp    time.Duration // as authority.Delivery has it

	Path string // file: JSON lines are appended to it

	URL       string // webhook and nats
	RootFile  string // webhook, nats and syslog: PEM, of who may have certified the server; empty: whom the system trusts
	AllowHTTP bool   // webhook
	Binary    bool   // webhook: CloudEvents' mode of that name
	Unsigned  bool   // webhook: there need not be a secret

	SecretFiles     []string // webhook: each holds one secret, and each secret signs
	CredentialsFile string   // nats
	Prefix          string   // nats: what subjects begin with
	Stream          string   // nats: which has to store the event; empty: any

	Address  string // syslog: host:port
	Plain    bool   // syslog: without TLS
	Facility int    // syslog: 0 means the default

	at *node
}

// Fault says that something is wrong with a setting of the sink; empty means with all of it.
func (s *Sink) Fault(setting string, err error) error {
	n := s.at
	switch {
	case n == nil: // a Sink that nobody loaded
		n = &node{path: join("sinks."+s.Name, setting)}
	case setting != "":
		n = (&section{node: n}).at(setting)
	}
	return &Fault{File: n.file, Line: n.line, Path: n.path, Err: err}
}

func (f *File) readSinks(s *section) {
	for _, name := range s.keys {
		n := s.take(name)
		if n == nil || n.members == nil {
			s.faults.add(s.at(name), "must be an object")
			continue
		}
		f.Sinks = append(f.Sinks, f.readSink(name, open(n, s.faults)))
	}
	s.close()
}

func (f *File) readSink(name string, s *section) Sink {
	k := Sink{Name: name, at: s.node, Kind: s.required("type"), HoldAfter: s.positive("holdAfter"), GiveUp: s.positive("giveUp")}
	for _, n := range s.list("events") {
		v, _ := n.value.(string)
		t := event.Type("io.chancery." + v)
		if !slices.Contains(event.Types(), t) {
			s.faults.add(n, "%.100q is not a type of event; certificate.issued is one", v)
			continue
		}
		k.Types = append(k.Types, t)
	}
	if n := s.take("events"); n != nil && n.blank() {
		s.faults.add(n, "must list at least one type")
	}
	switch k.Kind {
	case "file":
		k.Path = f.resolve(s.required("path"))
	case "webhook":
		k.URL, k.Unsigned, k.AllowHTTP = s.required("url"), s.boolean("unsigned"), s.boolean("allowHTTP")
		k.RootFile = f.resolve(s.str("rootFile"))
		for _, p := range s.strings("secretFiles") {
			k.SecretFiles = append(k.SecretFiles, f.resolve(p))
		}
		switch mode := s.str("mode"); mode {
		case "", "structured", "binary":
			k.Binary = mode == "binary"
		default:
			s.faults.add(s.at("mode"), "%.100q is neither structured nor binary", mode)
		}
	case "nats":
		k.URL, k.Prefix, k.Stream = s.required("url"), s.str("prefix"), s.str("stream")
		k.CredentialsFile, k.RootFile = f.resolve(s.str("credentialsFile")), f.resolve(s.str("rootFile"))
	case "syslog":
		k.Address, k.Plain, k.Facility = s.required("address"), s.boolean("plain"), s.count("facility", 23)
		k.RootFile = f.resolve(s.str("rootFile"))
	case "":
	default:
		s.faults.add(s.at("type"), "%.100q is none of file, webhook, nats and syslog", k.Kind)
		return k // its members mean nothing here
	}
	s.close()
	return k
}
