package envelope

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

var secret = bytes.Repeat([]byte{8}, 32)

func newNonces(t testing.TB, s Spender, secrets ...[]byte) *Nonces {
	if len(secrets) == 0 {
		secrets = [][]byte{secret}
	}
	n, err := NewNonces(NonceConfig{Secrets: secrets, Spender: s})
	require.NoError(t, err)
	return n
}

// use takes a nonce the way of a request's.
func use(n *Nonces, nonce string) error {
	if err := n.Check(&Request{Nonce: nonce}); err != nil {
		return err
	}
	return n.Redeem(context.Background(), &Message{nonce: nonce})
}

func TestNonces(t *testing.T) {
	spent := NewMemory(0)
	n := newNonces(t, spent)
	nonce := n.New()
	require.True(t, isNonce(nonce))
	require.NotEqual(t, nonce, n.New())
	require.Zero(t, spent.Len(), "what nobody uses costs nothing")
	require.NoError(t, n.Check(&Request{Nonce: nonce}), "looking spends nothing")
	require.NoError(t, use(n, nonce))
	require.Equal(t, 1, spent.Len())
	p := refused(t, use(n, nonce), acme.BadNonce)
	require.ErrorIs(t, p, ErrSpent)
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
	n := newNonces(t, NewMemory(0))
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
	refused(t, use(newNonces(t, NewMemory(0), bytes.Repeat([]byte{9}, 32)), b64(good)), acme.BadNonce)
	require.NoError(t, use(n, b64(good)))
}

func TestRotation(t *testing.T) {
	spent, next := NewMemory(0), bytes.Repeat([]byte{9}, 32)
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
		spent := NewMemory(0)
		n := newNonces(t, spent)
		old, used := n.New(), n.New()
		require.NoError(t, use(n, used))
		time.Sleep(NonceLife)
		refused(t, use(n, used), acme.BadNonce)
		require.NoError(t, use(n, old), "to the end of its life")
		late := n.New()
		time.Sleep(2*Skew + 1)
		require.NoError(t, use(n, late))
		require.Equal(t, 1, spent.Len(), "what has expired is forgotten")
		refused(t, use(n, old), acme.BadNonce)
		refused(t, use(n, used), acme.BadNonce)
	})
}

// TestClocks has a node whose clock is ahead make a nonce.
func TestClocks(t *testing.T) {
	n := newNonces(t, NewMemory(0))
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

type spenderFunc func(ctx context.Context, id []byte, until time.Time) error

func (f spenderFunc) Spend(ctx context.Context, id []byte, until time.Time) error {
	return f(ctx, id, until)
}

// TestStall is a node that stands still between looking at a nonce and spending it, until others have forgotten its use.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spent := NewMemory(0)
		n := newNonces(t, spent)
		nonce := n.New()
		require.NoError(t, use(n, nonce))
		stalled := newNonces(t, spenderFunc(func(ctx context.Context, id []byte, until time.Time) error {
			time.Sleep(NonceLife + 3*Skew)
			return spent.Spend(ctx, id, until)
		}))
		refused(t, use(stalled, nonce), acme.BadNonce)
	})
}

func TestSpenderFails(t *testing.T) {
	down := errors.New("database is gone")
	var until time.Time
	n := newNonces(t, spenderFunc(func(_ context.Context, id []byte, u time.Time) error {
		require.Len(t, id, idLen)
		until = u
		return down
	}))
	err := use(n, n.New())
	require.ErrorIs(t, err, down)
	require.NotErrorAs(t, err, new(*acme.Problem), "a fault of this side")
	require.WithinDuration(t, time.Now().Add(NonceLife+2*Skew), until, time.Second)
	// Failed after taking effect: the nonce is gone, and its second use refused.
	spent := NewMemory(0)
	flaky := newNonces(t, spenderFunc(func(ctx context.Context, id []byte, u time.Time) error {
		return errors.Join(spent.Spend(ctx, id, u), down)
	}))
	nonce := flaky.New()
	require.ErrorIs(t, use(flaky, nonce), down)
	refused(t, use(newNonces(t, spent), nonce), acme.BadNonce)
}

func TestOneOfManyUses(t *testing.T) {
	spent := NewMemory(0)
	nodes := []*Nonces{newNonces(t, spent), newNonces(t, spent), newNonces(t, spent)}
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

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := NewMemory(3), t.Context()
		for i := range 3 {
			require.NoError(t, m.Spend(ctx, []byte(strconv.Itoa(i)), time.Now().Add(time.Duration(3-i)*time.Minute)))
		}
		require.ErrorIs(t, m.Spend(ctx, []byte("0"), time.Now()), ErrSpent)
		err := m.Spend(ctx, []byte("3"), time.Now().Add(time.Minute))
		require.ErrorContains(t, err, "3 nonces")
		require.NotErrorIs(t, err, ErrSpent)
		require.Equal(t, 3, m.Len())
		time.Sleep(time.Minute + 1)
		require.NoError(t, m.Spend(ctx, []byte("3"), time.Now().Add(time.Minute)))
		require.Error(t, m.Spend(ctx, []byte("4"), time.Now().Add(time.Minute)))
		require.ErrorIs(t, m.Spend(ctx, []byte("0"), time.Now()), ErrSpent)
		done, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, m.Spend(done, []byte("5"), time.Now()), context.Canceled)
	})
}

func TestNewNonces(t *testing.T) {
	_, err := NewNonces(NonceConfig{Life: time.Second})
	for _, fault := range []string{"Spender", "life", "secret"} {
		require.ErrorContains(t, err, fault)
	}
	for _, c := range []NonceConfig{
		{Secrets: [][]byte{secret[:31]}, Spender: NewMemory(0)},
		{Secrets: [][]byte{secret, nil}, Spender: NewMemory(0)},
		{Secrets: [][]byte{secret}, Spender: NewMemory(0), Life: 25 * time.Hour},
		{Secrets: [][]byte{secret}, Spender: NewMemory(0), Life: -1},
	} {
		_, err := NewNonces(c)
		require.Error(t, err)
		require.NotContains(t, err.Error(), string(secret))
	}
	n, err := NewNonces(NonceConfig{Secrets: [][]byte{secret}, Spender: NewMemory(0), Life: time.Hour})
	require.NoError(t, err)
	require.NotEqual(t, secret, n.keys[0], "the key is derived")
}
