package challenge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

// rebinding gives another answer every time.
type rebinding struct {
	names
	answers [][]netip.Addr
	n       atomic.Int32
}

func (r *rebinding) LookupAddrs(context.Context, string) ([]netip.Addr, error) {
	return r.answers[min(int(r.n.Add(1))-1, len(r.answers)-1)], nil
}

func TestRebinding(t *testing.T) {
	var dialled []string
	dial := func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		dialled = append(dialled, to.String())
		return nil, errors.New("nobody there")
	}
	r := &rebinding{answers: [][]netip.Addr{ips("10.0.0.1"), ips("127.0.0.1")}}
	v, err := challenge.NewHTTP01(challenge.Config{Resolver: r, Dial: dial})
	require.NoError(t, err)
	_, err = v.Validate(t.Context(), dnsName("x.example"))
	problem(t, err, acme.Connection)
	require.Equal(t, []string{"10.0.0.1:80"}, dialled, "one answer, checked and dialled")
	require.EqualValues(t, 1, r.n.Load())
	_, err = v.Validate(t.Context(), dnsName("x.example"))
	problem(t, err, acme.Connection)
	require.ErrorIs(t, err, challenge.ErrRefused)
	require.Len(t, dialled, 1)
}

func TestRebindingBetweenRedirects(t *testing.T) {
	cfg := site(t, redirect("http://x.example/next"))
	cfg.Resolver = &rebinding{answers: [][]netip.Addr{ips("127.0.0.1"), ips("169.254.169.254")}}
	_, err := validateHTTP(t, cfg, dnsName("x.example"))
	problem(t, err, acme.Connection, "169.254")
	require.ErrorIs(t, err, challenge.ErrRefused)
}

func TestDialer(t *testing.T) {
	var dialled []string
	dial := func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		dialled = append(dialled, to.Addr().String())
		return nil, errors.New("nobody there")
	}
	d, err := challenge.NewDialer(challenge.Config{Dial: dial, Resolver: &names{addrs: map[string][]netip.Addr{
		"many.example": ips("10.0.0.1", "127.0.0.1", "10.0.0.2", "fd12::1", "::1", "10.0.0.3", "fd12::2", "10.0.0.4"),
	}}})
	require.NoError(t, err)
	_, _, err = d.Dial(t.Context(), "many.example", 80)
	require.Error(t, err)
	require.Equal(t, []string{"fd12::1", "10.0.0.1", "fd12::2", "10.0.0.2"}, dialled)
}

func TestListenersOfTheCA(t *testing.T) {
	cfg := site(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, keyAuth) })
	_, err := validateHTTP(t, cfg, dnsName("ok.example"))
	require.NoError(t, err)
	cfg.Addresses.Listeners, err = challenge.OwnListeners(&net.TCPAddr{Port: int(cfg.HTTPPort)})
	require.NoError(t, err)
	_, err = validateHTTP(t, cfg, dnsName("ok.example"))
	problem(t, err, acme.Connection)
	require.ErrorIs(t, err, challenge.ErrRefused)
}
