package provisionertest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/provisioner"
)

// A mutation makes bad tokens of a good one.
type mutation struct {
	name string
	make func(f *forgery, r *provisioner.Request, token string) []string
}

func tokenProbes() []probe {
	out := []probe{
		{"token/spent once", spend},
		{"token/for another serial", otherSerial},
		{"token/resealed", resealed},
	}
	for _, m := range slices.Concat(signatureMutations(), headerMutations(), claimMutations(), spellingMutations()) {
		out = append(out, probe{"token/" + m.name, func(h *Harness) error {
			return tokens(h, func(op provisioner.Operation, r *provisioner.Request) error {
				for i, bad := range m.make(h.Tokens.open(r.Token), r, r.Token) {
					if bad == r.Token {
						return errors.New("the mutation changed nothing")
					}
					q := *r
					q.Token = bad
					if err := refused(h.Provisioner, &q); err != nil {
						return fmt.Errorf("variant %d: %w", i, err)
					}
				}
				return nil
			})
		}})
	}
	return out
}

// tokens runs f for each operation whose good request carries a token.
func tokens(h *Harness, f func(op provisioner.Operation, r *provisioner.Request) error) error {
	if h.Tokens == nil {
		return nil
	}
	for op, request := range h.Good {
		if r := request(); r.Token != "" {
			if err := f(op, r); err != nil {
				return fmt.Errorf("%s: %w", op, err)
			}
		}
	}
	return nil
}

// resealed makes sure that the suite's own tokens are good when nothing was changed, so that what is
// refused is refused for the change.
func resealed(h *Harness) error {
	return tokens(h, func(_ provisioner.Operation, r *provisioner.Request) error {
		r.Token = h.Tokens.open(r.Token).seal()
		_, err := h.Provisioner.Authorize(context.Background(), r)
		return err
	})
}

// spend makes sure that the same token has the same ID whoever spells it, and no other token has it.
func spend(h *Harness) error {
	return tokens(h, func(op provisioner.Operation, r *provisioner.Request) error {
		seen := make(map[string]bool)
		id := func(token string) (string, error) {
			q := *r
			q.Token = token
			g, err := h.Provisioner.Authorize(context.Background(), &q)
			if err != nil {
				return "", err
			}
			if g.Spend.IsZero() || !g.Spend.Until.After(r.Time()) {
				return "", fmt.Errorf("spend %+v is of no use", g.Spend)
			}
			return g.Spend.ID, nil
		}
		withoutID := h.Tokens.open(r.Token)
		delete(withoutID.claims, "jti")
		for _, token := range []string{r.Token, withoutID.seal(), h.Good[op]().Token} {
			first, err := id(token)
			if err != nil {
				return err
			}
			if again, err := id(token); err != nil || again != first {
				return fmt.Errorf("spend ID changes from %q to %q: %w", first, again, err)
			}
			if seen[first] {
				return errors.New("two tokens with one spend ID")
			}
			seen[first] = true
			dot := strings.LastIndexByte(token, '.')
			sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
			if err != nil {
				return err
			}
			if other := twin(h.Tokens.Key.Public(), sig); other != nil {
				if again, err := id(token[:dot+1] + b64(other)); err == nil && again != first {
					return errors.New("another spelling of the signature makes the token good again")
				}
			}
		}
		return nil
	})
}

func otherSerial(h *Harness) error {
	return tokens(h, func(op provisioner.Operation, r *provisioner.Request) error {
		if op != provisioner.X509Revoke && op != provisioner.SSHRevoke {
			return nil
		}
		for _, s := range []string{"", "0", "1", r.Serial + "0", "0" + r.Serial, strings.ToUpper(r.Serial) + "A"} {
			q := *r
			q.Serial = s
			if err := refused(h.Provisioner, &q); err != nil {
				return fmt.Errorf("serial %q: %w", s, err)
			}
		}
		return nil
	})
}

func signatureMutations() []mutation {
	return []mutation{
		{"no signature", func(_ *forgery, _ *provisioner.Request, token string) []string {
			input := token[:strings.LastIndexByte(token, '.')]
			return []string{input, input + ".", input + ".AA", input + ".." + token[len(input)+1:]}
		}},
		{"algorithm none", func(f *forgery, _ *provisioner.Request, token string) []string {
			var out []string
			for _, a := range []any{"none", "None", "NONE", "", nil, "nOnE"} {
				f.header["alg"] = a
				sealed := f.seal()
				out = append(out, sealed, sealed[:strings.LastIndexByte(sealed, '.')+1])
			}
			return out
		}},
		{"HMAC with the public key", func(f *forgery, _ *provisioner.Request, _ string) []string { return f.hmacs() }},
		{"another algorithm", func(f *forgery, _ *provisioner.Request, _ string) []string {
			var out []string
			for _, a := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, "ES256K", "RS1"} {
				if a == f.algorithm {
					continue
				}
				f.header["alg"] = a // said, but signed as before
				out = append(out, f.seal())
			}
			return out
		}},
		{"signature changed", func(_ *forgery, _ *provisioner.Request, token string) []string {
			dot := strings.LastIndexByte(token, '.')
			sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
			if err != nil {
				return nil
			}
			var out []string
			for _, i := range []int{0, len(sig) / 2, len(sig) - 1} {
				bad := slices.Clone(sig)
				bad[i] ^= 1
				out = append(out, token[:dot+1]+b64(bad))
			}
			zeros := make([]byte, len(sig))
			return append(out, token[:dot+1]+b64(zeros), token[:dot+1]+b64(sig[1:]), token[:dot+1]+b64(append(sig, 0)), token[:dot+1]+b64(append([]byte{0}, sig...)))
		}},
		{"another key", func(f *forgery, _ *provisioner.Request, _ string) []string {
			f.key = f.stranger
			out := []string{f.seal()}
			for _, h := range f.introductions() {
				out = append(out, f.sealRaw(marshal(h), marshal(f.claims)))
			}
			return out
		}},
		{"claims changed", func(f *forgery, _ *provisioner.Request, token string) []string {
			parts := strings.Split(token, ".")
			f.claims["sans"] = []string{"stranger.example"}
			return []string{parts[0] + "." + b64(marshal(f.claims)) + "." + parts[2]}
		}},
		{"header changed", func(f *forgery, _ *provisioner.Request, token string) []string {
			parts := strings.Split(token, ".")
			f.header["stranger"] = true
			return []string{b64(marshal(f.header)) + "." + parts[1] + "." + parts[2]}
		}},
	}
}

func headerMutations() []mutation {
	with := func(k string, values ...any) mutation {
		return mutation{"header " + k, func(f *forgery, _ *provisioner.Request, _ string) []string {
			var out []string
			for _, v := range values {
				h := maps.Clone(f.header)
				h[k] = v
				out = append(out, f.sealRaw(marshal(h), marshal(f.claims)))
			}
			return out
		}}
	}
	return []mutation{
		with("crit", []string{"exp"}, []string{"b64"}, []string{}, nil),
		with("b64", false, true),
		with("jku", "https://stranger.example/keys"),
		with("x5u", "https://stranger.example/chain"),
		with("alg", 1, []string{"ES256"}, map[string]any{}),
		with("kid", 1, []string{""}, true),
		{"header jwk", func(f *forgery, _ *provisioner.Request, _ string) []string {
			f.header["jwk"] = jose.JSONWebKey{Key: f.key.Public()}
			return []string{f.seal()}
		}},
		{"header twice", func(f *forgery, _ *provisioner.Request, _ string) []string {
			h := marshal(f.header)
			return []string{
				f.sealRaw([]byte(strings.TrimSuffix(string(h), "}")+`,"alg":"none"}`), marshal(f.claims)),
				f.sealRaw([]byte(`{"alg":"none",`+string(h[1:])), marshal(f.claims)),
			}
		}},
		{"header is no object", func(f *forgery, _ *provisioner.Request, _ string) []string {
			c := marshal(f.claims)
			return []string{f.sealRaw(nil, c), f.sealRaw([]byte("null"), c), f.sealRaw([]byte("[]"), c), f.sealRaw([]byte(`"`), c)}
		}},
	}
}

func claimMutations() []mutation {
	with := func(k string, values ...func(r *provisioner.Request) any) mutation {
		return mutation{"claim " + k, func(f *forgery, r *provisioner.Request, _ string) []string {
			var out []string
			for _, v := range values {
				c := maps.Clone(f.claims)
				if c[k] = v(r); c[k] == nil {
					delete(c, k)
				}
				out = append(out, f.sealRaw(marshal(f.header), marshal(c)))
			}
			return out
		}}
	}
	is := func(v any) func(*provisioner.Request) any { return func(*provisioner.Request) any { return v } }
	in := func(d time.Duration) func(*provisioner.Request) any {
		return func(r *provisioner.Request) any { return r.Time().Add(d).Unix() }
	}
	hour := 24 * time.Hour
	return []mutation{
		with("iss", is(nil), is(""), is("stranger"), is(1), is([]string{"stranger"})),
		with("sub", is(nil), is(""), is(17), is(map[string]any{})),
		with("exp", is(nil), is("tomorrow"), is(0), is(-1), is(1e300), in(-hour), in(-time.Minute-time.Second), in(hour)),
		with("nbf", in(hour), in(2*time.Minute), is("now"), is(true)),
		with("iat", in(hour), in(2*time.Minute), is("now"), is([]int{1})),
		with("aud", is(nil), is(""), is(1), is([]string{}), is([]any{1}), is("step-certificate-authority"), is("https://stranger.example/1.0/sign")),
		with("jti", is(1), is([]string{"a"}), is(true)),
		with("sans", is("stranger.example"), is([]any{1}), is(map[string]any{"a": "b"})),
		with("sha", is(strings.Repeat("0", 64)), is(1)),
		with("cnf", is(map[string]any{"x5rt#S256": b64(make([]byte, 32))}), is(map[string]any{"jkt": "x"}), is(map[string]any{"x5rt#S256": 1}), is("x")),
		{"audience changed", func(f *forgery, _ *provisioner.Request, _ string) []string {
			aud, _ := f.claims["aud"].(string)
			var out []string
			for _, bad := range audiences(aud) {
				f.claims["aud"] = bad
				out = append(out, f.seal())
			}
			return out
		}},
		{"claims are no object", func(f *forgery, _ *provisioner.Request, _ string) []string {
			h := marshal(f.header)
			return []string{
				f.sealRaw(h, nil), f.sealRaw(h, []byte("null")), f.sealRaw(h, []byte("[]")), f.sealRaw(h, []byte("{")),
				f.sealRaw(h, append(marshal(f.claims), '{', '}')), f.sealRaw(h, []byte(strings.Repeat("[", 20000))),
			}
		}},
		{"claim twice", func(f *forgery, r *provisioner.Request, _ string) []string {
			var out []string
			for _, twice := range []string{`"sub":"stranger"`, `"aud":"https://stranger.example"`, `"sans":["stranger.example"]`, `"exp":1`, `"\u0073ub":"x"`} {
				c := marshal(f.claims)
				if strings.HasPrefix(twice, `"sans"`) && f.claims["sans"] == nil {
					twice += "," + twice
				}
				out = append(out, f.sealRaw(marshal(f.header), []byte("{"+twice+","+string(c[1:]))))
			}
			return out
		}},
	}
}

// audiences are URLs that resemble one and are another.
func audiences(aud string) []string {
	url, fragment, _ := strings.Cut(aud, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	scheme, rest, _ := strings.Cut(url, "://")
	host, path, _ := strings.Cut(rest, "/")
	path = "/" + path
	base := scheme + "://"
	out := []string{
		"http://" + rest + fragment, rest + fragment, path + fragment,
		base + "stranger.example" + path + fragment, base + host + ".stranger.example" + path + fragment,
		base + "user@" + host + path + fragment, base + host + "@stranger.example" + path + fragment,
		base + host + fragment, base + host + "/" + fragment, base + host + path + "/" + fragment,
		base + host + path + "/../sign" + fragment, base + host + "/1.0/unheard-of" + fragment,
		base + host + path + "?a=b" + fragment, base + host + "//" + strings.TrimPrefix(path, "/") + fragment,
		base + strings.Split(host, ":")[0] + ":1" + path + fragment, base + strings.Split(host, ":")[0] + ":*" + path + fragment,
		url + "#stranger/name", " " + url + fragment, url + " " + fragment, base + host + strings.ToUpper(path) + fragment,
	}
	if fragment != "" {
		out = append(out, url, url+fragment+"x", url+"#")
	}
	return out
}

func spellingMutations() []mutation {
	return []mutation{
		{"white space", func(_ *forgery, _ *provisioner.Request, token string) []string {
			var out []string
			for _, space := range []string{" ", "\n", "\r\n", "\t", "\u00a0", "\u2028", "\ufeff", "\x00"} {
				out = append(out, space+token, token+space, strings.Replace(token, ".", space+".", 1), strings.Replace(token, ".", "."+space, 1), token[:len(token)-4]+space+token[len(token)-4:])
			}
			return out
		}},
		{"something behind", func(_ *forgery, _ *provisioner.Request, token string) []string {
			return []string{token + ".", token + "." + token, token + "=", token + "A", "." + token, token + ".AA"}
		}},
		{"another base64", func(_ *forgery, _ *provisioner.Request, token string) []string {
			parts := strings.Split(token, ".")
			return []string{"Bearer " + token, base64.StdEncoding.EncodeToString([]byte(token)), spareBits(parts)}
		}},
		{"JSON serialization", func(_ *forgery, _ *provisioner.Request, token string) []string {
			p := strings.Split(token, ".")
			flat := map[string]any{"protected": p[0], "payload": p[1], "signature": p[2]}
			general := map[string]any{"payload": p[1], "signatures": []any{map[string]any{"protected": p[0], "signature": p[2]}}}
			return []string{string(marshal(flat)), string(marshal(general))}
		}},
		{"too long", func(f *forgery, _ *provisioner.Request, _ string) []string {
			f.claims["padding"] = strings.Repeat("a", provisioner.MaxToken)
			return []string{f.seal()}
		}},
		{"no UTF-8", func(f *forgery, _ *provisioner.Request, _ string) []string {
			c := marshal(f.claims)
			return []string{f.sealRaw(marshal(f.header), []byte("{\"x\":\"\xff\","+string(c[1:])))}
		}},
	}
}

// spareBits sets bits of the signature's last letter that mean nothing.
func spareBits(parts []string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	sig := parts[2]
	if len(sig)%4 == 0 { // none are spare
		return strings.Join(parts, ".") + "A"
	}
	last := strings.IndexByte(alphabet, sig[len(sig)-1])
	return parts[0] + "." + parts[1] + "." + sig[:len(sig)-1] + alphabet[last|1:(last|1)+1]
}
