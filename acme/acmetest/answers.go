package acmetest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

// A JudgeFunc says whether a challenge was met: an [*acme.Problem] if not, any other error is a fault of the CA's.
type JudgeFunc func(ctx context.Context, kind acme.ChallengeType, v *acme.Validation) error

// answers are what clients have put up for the CA to find: the [World], and what is the same wherever it looks.
type answers struct {
	world *World

	mu      sync.Mutex
	files   map[string]string // of http-01, by token
	failing map[string]bool   // names that the DNS has no answer for
	judge   JudgeFunc
}

// Judge has f say whether challenges are met, instead of the validators that look into the [World]; nil gives them back
// their office. It goes before [World.Believe].
func (ca *CA) Judge(f JudgeFunc) { ca.answers.set(func(a *answers) { a.judge = f }) }

// SetHTTP01 has every host that is not in the [World] answer http-01 with that key authorization; an empty one takes it
// back. It is what a client's solver calls that knows tokens, and no hosts.
func (ca *CA) SetHTTP01(token, keyAuthorization string) {
	ca.answers.set(func(a *answers) {
		if keyAuthorization == "" {
			delete(a.files, token)
			return
		}
		a.files[token] = keyAuthorization
	})
}

// SetTXT sets the TXT records of a name, with or without a dot at its end, for dns-01; none takes them back.
func (ca *CA) SetTXT(name string, values ...string) {
	ca.World.TXT(strings.ToLower(strings.TrimSuffix(name, ".")), values...)
}

// SetTLSALPN has a domain show a certificate for tls-alpn-01; nil takes it back.
func (ca *CA) SetTLSALPN(domain string, c *tls.Certificate) {
	if c == nil {
		ca.World.TLS(domain, nil)
		return
	}
	ca.World.TLS(domain, &tls.Config{Certificates: []tls.Certificate{*c}, NextProtos: []string{challenge.ALPNProtocol}})
}

// FailDNS has the DNS fail for exactly these names (SERVFAIL, as it were), and for none without names.
func (ca *CA) FailDNS(names ...string) {
	ca.answers.set(func(a *answers) {
		clear(a.failing)
		for _, n := range names {
			a.failing[n] = true
		}
	})
}

func (a *answers) set(f func(a *answers)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
}

func (a *answers) judging() (f JudgeFunc) {
	a.set(func(a *answers) { f = a.judge })
	return f
}

// file returns what there is for http-01 wherever somebody looks, nil if there is nothing.
func (a *answers) file() (files map[string]string) {
	a.set(func(a *answers) {
		if len(a.files) > 0 {
			files = maps.Clone(a.files)
		}
	})
	return files
}

var errServFail = errors.New("the server answers SERVFAIL")

func (a *answers) fault(name string) (err error) {
	a.set(func(a *answers) {
		if a.failing[name] {
			err = errServFail
		}
	})
	return err
}

// elsewhere is the address of hosts that are not in the world. Its own begin at 10.0.0.1.
var elsewhere = netip.AddrFrom4([4]byte{10, 255, 255, 1})

// LookupAddrs implements challenge.Resolver.
func (a *answers) LookupAddrs(ctx context.Context, name string) ([]netip.Addr, error) {
	if err := a.fault(name); err != nil {
		return nil, err
	}
	addrs, err := a.world.LookupAddrs(ctx, name)
	if errors.Is(err, challenge.ErrNoName) && a.file() != nil {
		return []netip.Addr{elsewhere}, nil
	}
	return addrs, err
}

// LookupTXT implements challenge.Resolver.
func (a *answers) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if err := a.fault(name); err != nil {
		return nil, err
	}
	return a.world.LookupTXT(ctx, name)
}

// LookupCAA implements challenge.Resolver.
func (a *answers) LookupCAA(ctx context.Context, name string) ([]challenge.CAARecord, error) {
	if err := a.fault(name); err != nil {
		return nil, err
	}
	return a.world.LookupCAA(ctx, name)
}

// dial connects to the world, and else to a server that has nothing but files.
func (a *answers) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	conn, err := a.world.Dial(ctx, to)
	if err == nil || to.Port() != 80 {
		return conn, err
	}
	files := a.file()
	if files == nil {
		return nil, err
	}
	return serve(func(conn net.Conn) {
		answer(conn, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f, ok := files[strings.TrimPrefix(r.URL.Path, "/.well-known/acme-challenge/")]
			if !ok {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, f) // nobody is left to hear of an error
		}))
	}), nil
}

// validators are the real ones, that look for these answers.
func (a *answers) validators(trouble *Trouble) ([]acme.Validator, error) {
	c := challenge.Config{Resolver: a, Dial: a.dial}
	h, herr := challenge.NewHTTP01(c)
	d, derr := challenge.NewDNS01(c)
	t, terr := challenge.NewTLSALPN01(c)
	var out []acme.Validator
	for _, v := range []acme.Validator{h, d, t} {
		out = append(out, &lenient{v, a, trouble})
	}
	return out, errors.Join(herr, derr, terr)
}

// lenient is a validator that may be told to believe everybody, or whom.
type lenient struct {
	acme.Validator
	answers *answers
	trouble *Trouble
}

// Unwrap returns the validator behind it.
func (v *lenient) Unwrap() acme.Validator { return v.Validator }

func (v *lenient) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := v.trouble.linger(ctx, string(v.Type())+" "+c.Identifier.Value+" "+c.Token); err != nil {
		return nil, err
	}
	if judge := v.answers.judging(); judge != nil {
		if err := judge(ctx, v.Type(), c); err != nil {
			return nil, err
		}
		return &acme.Evidence{}, nil
	}
	if v.answers.world.believes() {
		return &acme.Evidence{}, nil
	}
	return v.Validator.Validate(ctx, c)
}
