package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

func TestACME(t *testing.T) {
	acmetest.Store(t, func(t *testing.T) acme.Store { return open(t, filepath.Join(t.TempDir(), "ca.db")).ACME() })
}

// A file that is only looked into says what is in it, and lets nobody in.
func TestACMEReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	w := open(t, path).ACME()
	a := acmetest.Account(1)
	require.NoError(t, w.NewAccount(ctx, acmetest.Pass(nil), a))
	o, auths, err := w.NewOrder(ctx, acmetest.Pass(a), acmetest.NewOrder(a, "o", "a.example"))
	require.NoError(t, err)
	kept, err := w.Secret(ctx, "secret", []byte("kept"))
	require.NoError(t, err)

	r := look(t, path).ACME()
	got, gotAuths, err := r.Order(ctx, nil, "o")
	require.NoError(t, err)
	require.Equal(t, o, got)
	require.Equal(t, auths, gotAuths)
	secret, err := r.Secret(ctx, "secret", []byte("fresh"))
	require.NoError(t, err)
	require.Equal(t, kept, secret)
	p := acmetest.Pass(a)
	for _, err := range []error{
		r.Spend(ctx, p), r.UpdateOrder(ctx, p, o), r.Count(ctx, acme.Tally{Key: "t", Limit: 1}),
		func() error { _, _, err := r.Order(ctx, p, "o"); return err }(),
		func() error { _, err := r.Secret(ctx, "other", []byte("fresh")); return err }(),
	} {
		require.ErrorIs(t, err, authority.ErrReadOnly)
	}
	require.NoError(t, w.Spend(ctx, p))
}

// BenchmarkACME is what the store does for one certificate.
func BenchmarkACME(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "ca.db")).ACME()
	a := acmetest.Account(1)
	require.NoError(b, s.NewAccount(b.Context(), acmetest.Pass(nil), a))
	var n atomic.Int64
	b.SetParallelism(16)
	cpu := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := acmeIssuance(b, s, a, n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(cpuTime()-cpu)/1e3/float64(b.N), "cpu-µs/op")
}

func acmeIssuance(b *testing.B, s acme.Store, a *acme.Account, n int64) error {
	ctx := b.Context()
	id := fmt.Sprint("order-", n)
	order := acmetest.NewOrder(a, id, fmt.Sprintf("host-%d.example", n))
	order.Tallies = []acme.Tally{{Key: "orders", Limit: 1 << 30, Until: acmetest.Start}}
	_, auths, err := s.NewOrder(ctx, acmetest.Pass(a), order)
	if err != nil {
		return err
	}
	z := auths[0]
	if _, err = s.Authorization(ctx, acmetest.Pass(a), z.ID); err != nil {
		return err
	}
	z.Challenges[0].Status, z.Due = acme.Processing, acmetest.Start
	if err = s.UpdateAuthorization(ctx, acmetest.Pass(a), z); err != nil {
		return err
	}
	z.Status, z.Challenges[0].Status, z.Due = acme.Valid, acme.Valid, time.Time{}
	if err = s.UpdateAuthorization(ctx, nil, z); err != nil {
		return err
	}
	o, _, err := s.Order(ctx, acmetest.Pass(a), id)
	if err != nil {
		return err
	}
	o.Status, o.CSR, o.Due = acme.Processing, make([]byte, 300), acmetest.Start
	if err = s.UpdateOrder(ctx, acmetest.Pass(a), o); err != nil {
		return err
	}
	o.Status, o.Serial, o.Due = acme.Valid, fmt.Sprintf("%x", n), time.Time{}
	if err = s.UpdateOrder(ctx, nil, o); err != nil {
		return err
	}
	_, _, err = s.Order(ctx, acmetest.Pass(a), id)
	return err
}
