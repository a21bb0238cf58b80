package otelhook_test

import (
	"context"
	"crypto"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// A store is the same store when it is watched.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) authority.Store { return newLab(t).hook.Store(authority.NewMemory()) })
}

// Every method that a store has is measured once, under its own name, and answers as the store behind does.
// TestStore shows that it does what it should; here all of them fail, for want of sensible arguments or
// because the context has ended.
func TestEveryMethodOfStore(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	seam := reflect.TypeFor[authority.Store]()
	require.Greater(t, seam.NumMethod(), 20)
	for m := range seam.Methods() {
		l := newLab(t)
		args := []reflect.Value{reflect.ValueOf(gone)}
		for in := range m.Type.Ins() {
			switch {
			case len(args) == 1 && in == reflect.TypeFor[context.Context]():
			case in.Kind() == reflect.Pointer:
				args = append(args, reflect.New(in.Elem()))
			default:
				args = append(args, reflect.Zero(in))
			}
		}
		call := func(s authority.Store) error {
			out := reflect.ValueOf(s).MethodByName(m.Name).Call(args)
			err, _ := out[len(out)-1].Interface().(error)
			return err
		}
		want := call(authority.NewMemory())
		require.Error(t, want, m.Name)
		require.Equal(t, want.Error(), fmt.Sprint(call(l.hook.Store(authority.NewMemory()))), m.Name)
		got := l.collect()["chancery.store.duration"]
		require.Len(t, got.points, 1, m.Name)
		require.Equal(t, m.Name, got.points[0].get("chancery.store.method"))
		require.EqualValues(t, 1, got.points[0].value)
		require.NotEmpty(t, got.points[0].get("error.type"))
	}
}

func TestStoreErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		name   string
		answer bool
	}{
		{authority.ErrFull, "full", false},
		{fmt.Errorf("disk: %w", authority.ErrReadOnly), "read-only", false},
		{authority.ErrUnavailable, "unavailable", false},
		{context.DeadlineExceeded, "timeout", false},
		{fmt.Errorf("no table at /var/lib/x"), "_OTHER", false},
		{authority.ErrNotFound, "not-found", true},
		{authority.ErrSpent, "spent", true},
		{authority.ErrHeld, "held", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			s := l.hook.Store(&unwell{Store: authority.NewMemory(), err: c.err})
			ctx, o := l.hook.Begin(t.Context(), "x509/sign")
			_, err := s.CRLs(ctx, "x")
			require.Equal(t, c.err, err, "the error is handed on as it is")
			o.End(authority.Outcome{})
			require.EqualValues(t, 1, l.collect()["chancery.store.duration"].one(t, "chancery.store.method=CRLs error.type="+c.name))
			span := l.spans.Ended()[0]
			require.Equal(t, "store/CRLs", span.Name())
			if c.answer {
				require.Equal(t, codes.Unset, span.Status().Code)
				return
			}
			require.Equal(t, codes.Error, span.Status().Code)
			require.Equal(t, c.name, span.Status().Description)
		})
	}
}

// Background work would otherwise make a trace of every look into the outbox.
func TestNoSpanWithoutOperation(t *testing.T) {
	l := newLab(t)
	ca := l.ca()
	_, err := l.hook.Store(ca.Store).Outbox(t.Context(), "audit", 0, 0)
	require.NoError(t, err)
	require.NoError(t, ca.Authority.Ready(t.Context()))
	require.Empty(t, l.spans.Started())
}

// What is done under a lease does not belong to the span of getting it.
func TestLease(t *testing.T) {
	l := newLab(t)
	ctx, o := l.hook.Begin(t.Context(), "x509/sign")
	held, release, err := l.hook.Store(authority.NewMemory()).Lease(ctx, "x")
	require.NoError(t, err)
	defer release()
	o.End(authority.Outcome{})
	require.Equal(t, trace.SpanFromContext(ctx), trace.SpanFromContext(held))
}

type exclusive struct{ authority.Store }

func (exclusive) ExclusiveSince() time.Time { return time.Now().Add(time.Hour) }

// The authority finds what a store can do behind the decorator: here, that nobody else has it open.
func TestExclusiveIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		wrap func(*lab, authority.Store) authority.Store
		want authority.Status
	}{
		"watched":               {func(l *lab, s authority.Store) authority.Store { return l.hook.Store(s) }, authority.Reserved},
		"watched and exclusive": {func(l *lab, s authority.Store) authority.Store { return l.hook.Store(exclusive{s}) }, authority.Abandoned},
	} {
		t.Run(name, func(t *testing.T) {
			l, store := newLab(t), authority.NewMemory()
			r := &authority.Record{
				Serial: "1f", Operation: "x509/sign", Issuer: "intermediate", TBS: []byte{1}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
				ReservedAt: time.Now().Add(-time.Second),
			}
			require.NoError(t, store.Reserve(t.Context(), r, provisioner.Spend{}))
			ca := authoritytest.New(t, func(conf *authority.Config) { conf.Store = c.wrap(l, store) })
			stopped, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			require.ErrorIs(t, ca.Authority.Run(stopped), context.Canceled)
			got, err := store.Certificate(t.Context(), "1f")
			require.NoError(t, err)
			require.Equal(t, c.want, got.Status)
		})
	}
}

func TestSigner(t *testing.T) {
	l := newLab(t)
	ca := authoritytest.New(t)
	behind := &deaf{ca.Signer()}
	s := l.hook.Signer(behind)
	found, ok := kms.As[*deaf](s)
	require.True(t, ok)
	require.Same(t, behind, found)
	require.Equal(t, behind.Public(), s.Public())
	require.Nil(t, l.hook.Signer(nil))

	require.NoError(t, kms.SelfTest(t.Context(), s))
	gone, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := s.Sign(gone, make([]byte, 32), crypto.SHA256)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = s.Sign(t.Context(), nil, crypto.SHA256)
	require.ErrorIs(t, err, errDeaf)
	got := l.collect()["chancery.signer.duration"]
	require.EqualValues(t, 1, got.one(t, "chancery.key.algorithm=ECDSA-SHA256"))
	require.EqualValues(t, 1, got.one(t, "chancery.key.algorithm=ECDSA-SHA256 error.type=timeout"))
	require.EqualValues(t, 1, got.one(t, "chancery.key.algorithm=ECDSA-SHA256 error.type=_OTHER"))
}

var errDeaf = fmt.Errorf("PIN 1234 refused")

// deaf is a signer that does not hear empty digests.
type deaf struct{ kms.Signer }

func (d *deaf) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if len(digest) == 0 {
		return nil, errDeaf
	}
	return d.Signer.Sign(ctx, digest, opts)
}
