package provisionertest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/provisioner"
)

// lax is a provisioner of ES256 tokens with a hole.
type lax struct {
	judge  provisioner.OneTime
	verify func(token string) (*provisioner.Verified, error)
}

func (l *lax) Name() string { return l.judge.Name }
func (l *lax) Authorize(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	return l.judge.Authorize(r, l.verify)
}

func harness(t *testing.T) *Harness {
	tokens := &Tokens{Key: NewKey(t, jose.ES256), Algorithm: jose.ES256, Stranger: NewKey(t, jose.ES256)}
	good := OneTime(t, func(k provisioner.Ticket) (string, error) {
		b, err := k.Payload("lax")
		f := forgery{key: tokens.Key, algorithm: jose.ES256}
		return f.sealRaw([]byte(`{"alg":"ES256","kid":"k"}`), b), err
	})
	return &Harness{Good: good, Tokens: tokens}
}

func failures(h *Harness) (names []string) {
	for _, p := range probes() {
		if p.run(h) != nil {
			names = append(names, p.name)
		}
	}
	return names
}

// TestHolesAreFound runs the suite on provisioners with known holes: a suite that never fails is none.
func TestHolesAreFound(t *testing.T) {
	unverified := func(token string) (*provisioner.Verified, error) {
		parts := strings.Split(token, ".")
		if len(parts) < 2 {
			return nil, provisioner.Refuse(provisioner.Unauthenticated, "token", "no")
		}
		return &provisioner.Verified{Payload: marshal(claimsOf(token)), SigningInput: parts[0] + parts[1]}, nil
	}
	joseVerify := func(h *Harness, embedded bool, input func(token string) string) func(string) (*provisioner.Verified, error) {
		return func(token string) (*provisioner.Verified, error) {
			no := provisioner.Refuse(provisioner.Unauthenticated, "token", "no")
			parse := jose.ParseSignedCompact
			if strings.HasPrefix(token, "{") {
				parse = jose.ParseSignedJSON
			}
			m, err := parse(strings.TrimSpace(token), []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				return nil, no
			}
			var key any = h.Tokens.Key.Public()
			if k := m.Signatures[0].Header.JSONWebKey; embedded && k != nil {
				key = k
			}
			b, err := m.Verify(key)
			if err != nil {
				return nil, no
			}
			return &provisioner.Verified{Payload: b, SigningInput: input(token)}, nil
		}
	}
	whole := func(token string) string { return token }
	holes := map[string]struct {
		make func(h *Harness) provisioner.Provisioner
		want []string // probes that must find it
	}{
		"says yes to everything": {
			func(*Harness) provisioner.Provisioner {
				return provisioner.Func("yes", func(context.Context, *provisioner.Request) (*provisioner.Grant, error) {
					return &provisioner.Grant{Subject: "x", AnyName: true}, nil
				})
			},
			[]string{"refuses the zero request", "refuses operations that it does not know", "refuses without credential", "renewal/without proof", "token/spent once", "token/for another serial", "token/algorithm none"},
		},
		"does not verify": {
			func(*Harness) provisioner.Provisioner {
				return &lax{provisioner.OneTime{Name: "lax"}, unverified}
			},
			[]string{"token/no signature", "token/algorithm none", "token/HMAC with the public key", "token/another key", "token/claims changed", "token/signature changed"},
		},
		"believes the key in the header": {
			func(h *Harness) provisioner.Provisioner {
				return &lax{provisioner.OneTime{Name: "lax"}, joseVerify(h, true, whole)}
			},
			[]string{"token/another key", "token/header jwk"},
		},
		"takes the signature for the identity": {
			func(h *Harness) provisioner.Provisioner {
				return &lax{provisioner.OneTime{Name: "lax"}, joseVerify(h, false, whole)}
			},
			[]string{"token/spent once", "token/white space", "token/JSON serialization"},
		},
		"asks for no audience of its own": {
			func(h *Harness) provisioner.Provisioner {
				verify := joseVerify(h, false, func(s string) string { return s[:max(0, strings.LastIndexByte(s, '.'))] })
				return provisioner.Func("lax", func(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
					q := *r
					if aud, ok := claimsOf(r.Token)["aud"].(string); ok {
						q.Audiences = []string{aud}
					}
					return (&provisioner.OneTime{Name: "lax"}).Authorize(&q, verify)
				})
			},
			[]string{"token/audience changed", "token/claim aud"},
		},
	}
	// sshHole is right but for what change makes of the grant of an SSH certificate.
	sshHole := func(change func(r *provisioner.Request, g *provisioner.Grant)) func(h *Harness) provisioner.Provisioner {
		return func(h *Harness) provisioner.Provisioner {
			right := &lax{provisioner.OneTime{Name: "lax"}, joseVerify(h, false, func(s string) string { return s[:max(0, strings.LastIndexByte(s, '.'))] })}
			return provisioner.Func("lax", func(ctx context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
				q := *r
				if r.SSH != nil && r.Operation == provisioner.SSHSign {
					own := *r.SSH
					own.Principals, own.Type = nil, 0 // so that right does not refuse
					q.SSH = &own
				}
				g, err := right.Authorize(ctx, &q)
				if err == nil && r.Operation == provisioner.SSHSign {
					change(r, g)
				}
				return g, err
			})
		}
	}
	type hole = struct {
		make func(h *Harness) provisioner.Provisioner
		want []string
	}
	holes["grants no principal"] = hole{sshHole(func(_ *provisioner.Request, g *provisioner.Grant) { g.SSH.Principals = nil }), []string{"ssh/grants a type and principals"}}
	holes["grants the principals that are asked for"] = hole{
		sshHole(func(r *provisioner.Request, g *provisioner.Grant) { g.SSH.Principals = r.SSH.Principals }), []string{"ssh/grants no more principals than it may"},
	}
	holes["takes the key id from the request"] = hole{
		sshHole(func(r *provisioner.Request, g *provisioner.Grant) { g.SSH.KeyID = r.SSH.KeyID }), []string{"ssh/grants no more principals than it may"},
	}
	holes["grants the type that is asked for"] = hole{
		sshHole(func(r *provisioner.Request, g *provisioner.Grant) { g.SSH.Type = r.SSH.Type }), []string{"ssh/refuses another type"},
	}
	holes["grants names of X.509 with SSH"] = hole{sshHole(func(_ *provisioner.Request, g *provisioner.Grant) { g.AnyName = true }), []string{"ssh/leaves X.509 and SSH apart"}}
	for name, hole := range holes {
		t.Run(name, func(t *testing.T) {
			h := harness(t)
			h.Provisioner = hole.make(h)
			got := failures(h)
			for _, want := range hole.want {
				if !slices.Contains(got, want) {
					t.Errorf("probe %q did not find the hole; found by %q", want, got)
				}
			}
			if slices.Contains(got, "grants what it should") {
				t.Error("the hole is not the only thing that is wrong with the provisioner")
			}
		})
	}
}
