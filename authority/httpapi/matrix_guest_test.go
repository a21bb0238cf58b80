package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// settling lets the house have its first certificates, which need no orders, and is an ACME server from then on. It has
// every token brought before it, so that nobody but the server itself is there to refuse them.
type settling struct {
	*server.Server
	house *house
}

func (s settling) Authorize(ctx context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	if s.house.ready.Load() {
		return s.Server.Authorize(ctx, r)
	}
	g, err := yes(ctx, r)
	g.Mark = provisioner.Mark{Type: provisioner.TypeACME}
	return g, err
}

func (settling) Claims(*provisioner.Token) bool { return true }

// acme makes an ACME server whose challenges are always met.
func (h *house) acme(t *testing.T, name string) *server.Server {
	t.Helper()
	s, err := server.New(server.Config{Name: name, Store: h.orders, Validators: []acme.Validator{obliging{}}})
	require.NoError(t, err)
	return s
}

type obliging struct{}

func (obliging) Type() acme.ChallengeType       { return acme.HTTP01 }
func (obliging) Offers(id acme.Identifier) bool { return id.Type == acme.DNS && !id.Wildcard() }
func (obliging) Validate(context.Context, *acme.Validation) (*acme.Evidence, error) {
	return &acme.Evidence{}, nil
}

// countingOrders counts everything that let a request in, or changed something.
type countingOrders struct {
	acme.Store
	writes atomic.Int64
}

func (s *countingOrders) Spend(ctx context.Context, p *acme.Pass) error {
	s.writes.Add(1)
	return s.Store.Spend(ctx, p)
}

func (s *countingOrders) Count(ctx context.Context, tallies ...acme.Tally) error {
	s.writes.Add(1)
	return s.Store.Count(ctx, tallies...)
}

func (s *countingOrders) NewAccount(ctx context.Context, p *acme.Pass, a *acme.Account, tallies ...acme.Tally) error {
	s.writes.Add(1)
	return s.Store.NewAccount(ctx, p, a, tallies...)
}

func (s *countingOrders) UpdateAccount(ctx context.Context, p *acme.Pass, a *acme.Account) error {
	s.writes.Add(1)
	return s.Store.UpdateAccount(ctx, p, a)
}

func (s *countingOrders) NewOrder(ctx context.Context, p *acme.Pass, n *acme.NewOrder) (*acme.Order, []*acme.Authorization, error) {
	s.writes.Add(1)
	return s.Store.NewOrder(ctx, p, n)
}

func (s *countingOrders) UpdateOrder(ctx context.Context, p *acme.Pass, o *acme.Order) error {
	s.writes.Add(1)
	return s.Store.UpdateOrder(ctx, p, o)
}

func (s *countingOrders) UpdateAuthorization(ctx context.Context, p *acme.Pass, a *acme.Authorization, tallies ...acme.Tally) error {
	s.writes.Add(1)
	return s.Store.UpdateAuthorization(ctx, p, a, tallies...)
}

func (h *house) writes() int64 { return h.store.writes.Load() + h.orders.writes.Load() }

// resources are what ACME servers have, with an ID where one goes.
func resources() []string {
	id := strings.Repeat("0", 26)
	return []string{
		"/directory", "/new-nonce", "/new-account", "/new-order", "/revoke-cert", "/key-change", "/renewal-info/a.b", "/account/" + id, "/account/" + id + "/orders",
		"/order/" + id, "/order/" + id + "/finalize", "/authz/" + id, "/challenge/" + id + "/http-01", "/certificate/" + id, "/certificate/" + id + "/1", "/",
	}
}

// doors are all routes, and for one that leads to guests all that each guest of the house has behind it.
func (h *house) doors(t *testing.T) (doors []Route) {
	t.Helper()
	found := map[string]bool{}
	for _, rt := range Routes() {
		if rt.Auth != Protocol {
			doors = append(doors, rt)
			continue
		}
		below := strings.TrimSuffix(rt.Path, "{path...}")
		for _, p := range h.ca.Provisioners() {
			g, ok := provisioner.As[authority.Guest](p)
			if !ok || !strings.HasPrefix(old+"/"+g.Path(), below) && !strings.HasPrefix("/"+g.Path(), below) {
				continue
			}
			mount := strings.TrimSuffix(below, "acme/") + g.Path()
			found[rt.Path] = true
			h.requireComplete(t, mount)
			paths := resources()
			if strings.HasPrefix(below, old) { // the same once more
				paths = []string{"/directory", "/new-account", "/new-order"}
			}
			for _, path := range paths {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					doors = append(doors, Route{Method: method, Path: mount + path, Auth: Protocol, MaxBody: rt.MaxBody})
				}
			}
		}
		require.True(t, found[rt.Path], "%s: nobody in the house is behind it", rt.Path)
	}
	return doors
}

// requireComplete fails for a resource in the directory that resources does not have.
func (h *house) requireComplete(t *testing.T, mount string) {
	t.Helper()
	got := do(h.handler, request{method: "GET", path: mount + "/directory"})
	require.Equal(t, 200, got.Code, mount)
	var d map[string]any
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &d))
	for name, v := range d {
		link, ok := v.(string)
		_, path, there := strings.Cut(link, strings.TrimPrefix(mount, old))
		require.True(t, ok && there, name)
		require.True(t, slices.ContainsFunc(resources(), func(r string) bool { return r == path || strings.HasPrefix(r, path+"/") }), "%s: a resource that the matrix does not know", name)
	}
}

// signedAs makes an ACME request of a token, whose form is nearly the same.
func signedAs(token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return map[string]any{"payload": "", "signature": ""}
	}
	return map[string]any{"protected": parts[0], "payload": parts[1], "signature": parts[2]}
}

// TestMatrixKnowsAll: a kind of provisioner that is not in the matrix is one that nobody has tried to get past.
func TestMatrixKnowsAll(t *testing.T) {
	var known []string
	for _, k := range kinds() {
		known = append(known, k.name)
	}
	dirs, err := os.ReadDir(filepath.Join("..", "..", "provisioner"))
	require.NoError(t, err)
	for _, d := range dirs {
		if d.IsDir() && d.Name() != "testdata" && d.Name() != "provisionertest" {
			require.Contains(t, known, d.Name())
		}
	}
}
