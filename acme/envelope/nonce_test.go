package envelope

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

var secret = bytes.Repeat([]byte{8}, 32)

// node is nonces with a store to spend them in.
type node struct {
	*Nonces
	store acme.Store
}

func newNonces(t testing.TB, s acme.Store, secrets ...[]byte) *node {
	if len(secrets) == 0 {
		secrets = [][]byte{secret}
	}
	n, err := NewNonces(NonceConfig{Secrets: secrets})
	require.NoError(t, err)
	return &node{n, s}
}

// spend does what a server does with a message's nonce.
func (n *node) spend(m *Message) error {
	id, until, err := n.Ticket(m)
	if err != nil {
		return err
	}
	err = n.store.Spend(context.Background(), &acme.Pass{Nonce: id, Until: until})
	if errors.Is(err, acme.ErrSpent) {
		return &acme.Problem{Type: acme.BadNonce, Detail: "the nonce was used before", Cause: err}
	}
	return err
}

// use takes a nonce the way of a request's.
func use(n *node, nonce string) error {
	if err := n.Check(&Request{Nonce: nonce}); err != nil {
		return err
	}
	return n.spend(&Message{nonce: nonce})
}

func TestNonces(t *testing.T) {
	spent := acme.NewMemory()
	n := newNonces(t, spent)
	nonce := n.New()
	require.True(t, isNonce(nonce))
	require.NotEqual(t, nonce, n.New())
	require.NoError(t, n.Check(&Request{Nonce: nonce}), "looking spends nothing")
	require.NoError(t, use(n, nonce))
	p := refused(t, use(n, nonce), acme.BadNonce)
	require.ErrorIs(t, p, acme.ErrSpent)
	require.NoError(t, n.Check(&Request{Nonce: nonce}))
	// Another node, or this one after a restart.
	refused(t, use(newNonces(t, spent), nonce), acme.BadNonce)
	require.NoError(t, use(newNonces(t, spent), n.New()))

	h := http.Header{}
	n.Offer(h)
	require.NoError(t, use(n, h.Get("Replay-Nonce")))
	require.Equal(t, "no-store", h.Get("Cache-Control"))
}

func TestForeignNonces(t *testing.T) {
	n := newNonces(t, acme.NewMemory())
	good, err := rawURL.DecodeString(n.New())
	require.NoError(t, err)
	bad := [][]byte{nil, {0}, good[:idLen], good[:len(good)-1], append(bytes.Clone(good), 0), make([]byte, len(good))}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		bad = append(bad, b)
	}
	random := make([]byte, len(good))
	rand.Read(random)
	for _, b := range append(bad, random) {
		refused(t, use(n, b64(b)), acme.BadNonce)
	}
	for _, s := range []string{"", "=", b64(good) + "=", b64(good) + "\n", "\n" + b64(good), b64(good)[1:]} {
		refused(t, use(n, s), acme.BadNonce)
	}
	refused(t, use(newNonces(t, acme.NewMemory(), bytes.Repeat([]byte{9}, 32)), b64(good)), acme.BadNonce)
	require.NoError(t, use(n, b64(good)))
}

func TestRotation(t *testing.T) {
	spent, next := acme.NewMemory(), bytes.Repeat([]byte{9}, 32)
	before, between, after := newNonces(t, spent, secret, next), newNonces(t, spent, next, secret), newNonces(t, spent, next)
	nonce := before.New()
	require.NoError(t, use(between, nonce))
	refused(t, use(before, nonce), acme.BadNonce)
	require.NoError(t, use(before, between.New()))
	require.NoError(t, use(after, between.New()))
	refused(t, use(after, before.New()), acme.BadNonce)
}

func TestLifeOfNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spent := acme.NewMemory()
		n := newNonces(t, spent)
		old, used := n.New(), n.New()
		require.NoError(t, use(n, used))
		time.Sleep(NonceLife)
		refused(t, use(n, used), acme.BadNonce)
		require.NoError(t, use(n, old), "to the end of its life")
		late := n.New()
		time.Sleep(2*Skew + 1)
		require.NoError(t, use(n, late))
		refused(t, use(n, old), acme.BadNonce)
		refused(t, use(n, used), acme.BadNonce)
	})
}

// TestClocks has a node whose clock is ahead make a nonce.
func TestClocks(t *testing.T) {
	n := newNonces(t, acme.NewMemory())
	at := func(d time.Duration) string {
		b := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(d).UnixMicro()))
		b = append(b, make([]byte, 16)...)
		return b64(append(b, seal(n.keys[0], b)...))
	}
	require.NoError(t, use(n, at(Skew-time.Second)))
	require.NoError(t, use(n, at(time.Second-NonceLife)))
	refused(t, use(n, at(Skew+time.Second)), acme.BadNonce)
	refused(t, use(n, at(-time.Second-NonceLife)), acme.BadNonce)
	b := append(bytes.Repeat([]byte{0xff}, 8), make([]byte, 16)...)
	refused(t, use(n, b64(append(b, seal(n.keys[0], b)...))), acme.BadNonce)
}

// A nonce may be forgotten when no node would accept it any more.
func TestTicket(t *testing.T) {
	n := newNonces(t, acme.NewMemory())
	id, until, err := n.Ticket(&Message{nonce: n.New()})
	require.NoError(t, err)
	require.Len(t, id, idLen)
	require.WithinDuration(t, time.Now().Add(NonceLife+2*Skew), until, time.Second)
	_, _, err = n.Ticket(&Message{nonce: "AAAA"})
	refused(t, err, acme.BadNonce)
}

func TestOneOfManyUses(t *testing.T) {
	spent := acme.NewMemory()
	nodes := []*node{newNonces(t, spent), newNonces(t, spent), newNonces(t, spent)}
	for range 20 {
		nonce := nodes[0].New()
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				if use(nodes[i%3], nonce) == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
	}
}

func TestNewNonces(t *testing.T) {
	_, err := NewNonces(NonceConfig{Life: time.Second})
	for _, fault := range []string{"life", "secret"} {
		require.ErrorContains(t, err, fault)
	}
	for _, c := range []NonceConfig{
		{Secrets: [][]byte{secret[:31]}},
		{Secrets: [][]byte{secret, nil}},
		{Secrets: [][]byte{secret}, Life: 25 * time.Hour},
		{Secrets: [][]byte{secret}, Life: -1},
	} {
		_, err := NewNonces(c)
		require.Error(t, err)
		require.NotContains(t, err.Error(), string(secret))
	}
	n, err := NewNonces(NonceConfig{Secrets: [][]byte{secret}, Life: time.Hour})
	require.NoError(t, err)
	require.NotEqual(t, secret, n.keys[0], "the key is derived")
}
