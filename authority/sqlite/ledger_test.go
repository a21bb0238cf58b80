package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

func openStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func revokeNew(t testing.TB, s *Store, n int) authority.Serial {
	t.Helper()
	r := storetest.Record(n)
	require.NoError(t, s.Reserve(context.Background(), r, provisioner.Spend{}))
	v := &authority.Revocation{Serial: r.Serial, ReasonCode: 1, RevokedAt: time.Now()}
	require.NoError(t, s.Revoke(context.Background(), v, nil, provisioner.Spend{}, nil))
	return r.Serial
}

func isRevoked(t testing.TB, s *Store, n authority.Serial) bool {
	t.Helper()
	r, err := s.Certificate(context.Background(), n)
	require.NoError(t, err)
	return r.Revocation != nil
}

// What was on its way from the journal to the database when the process died has not happened: nobody was told,
// and it would be without its events.
func TestUnacknowledgedTail(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	a, b := storetest.Record(1), storetest.Record(2)
	require.NoError(t, s.Reserve(ctx, a, provisioner.Spend{}))
	require.NoError(t, s.Reserve(ctx, b, provisioner.Spend{}))
	revokeNew(t, s, 3)
	lines := func(tx sqlstore.Tx) error { // what the journal gets, and the database does not
		for _, r := range []*authority.Record{a, b} {
			f, err := sqlstore.Revoke(&authority.Revocation{Serial: r.Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil)
			require.NoError(t, err)
			require.NoError(t, f(tx))
		}
		_, err := s.ledger.append(tx.(*conn).heard)
		require.NoError(t, err)
		s.ledger.torn = false // nobody cuts it
		return errors.New("the process died")
	}
	require.ErrorContains(t, s.do(ctx, lines), "died")
	require.False(t, isRevoked(t, s, a.Serial))
	require.NoError(t, s.Close())

	look, err := Open(ctx, path, &Options{ReadOnly: true})
	require.NoError(t, err)
	require.Nil(t, look.Gap())
	require.NoError(t, look.Close())

	s = openStore(t, path)
	require.Nil(t, s.Gap())
	require.False(t, isRevoked(t, s, a.Serial))
	require.False(t, isRevoked(t, s, b.Serial))
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: a.Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
	c := revokeNew(t, s, 4)
	require.NoError(t, s.Close())
	s = openStore(t, path)
	require.Nil(t, s.Gap())
	require.True(t, isRevoked(t, s, a.Serial))
	require.False(t, isRevoked(t, s, b.Serial))
	require.True(t, isRevoked(t, s, c))
}

// Whatever of the last line a power cut has left, it goes, and everything before it stays.
func TestTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	n := revokeNew(t, s, 1)
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(path + ".ledger")
	require.NoError(t, err)
	last := whole[bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1:]
	tails := [][]byte{{0}, make([]byte, 4096), []byte("\n"), bytes.Repeat([]byte("x"), 70000), append(make([]byte, 512), '\n')}
	for i := 1; i < len(last); i += 37 {
		tails = append(tails, last[:i])
	}
	for _, tail := range tails {
		require.NoError(t, os.WriteFile(path+".ledger", append(bytes.Clone(whole), tail...), 0o600))
		s := openStore(t, path)
		require.Nil(t, s.Gap())
		require.True(t, isRevoked(t, s, n))
		require.NoError(t, s.Close())
		info, err := os.Stat(path + ".ledger")
		require.NoError(t, err)
		require.EqualValues(t, len(whole), info.Size(), "the tail was not cut")
	}
}

// After a power cut the mark may be an old one, or none. That is no alarm.
func TestStaleMark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	revokeNew(t, s, 1)
	require.NoError(t, s.Close())
	old, err := headOf(path + ".ledger")
	require.NoError(t, err)
	text, err := os.ReadFile(path + ".ledger")
	require.NoError(t, err)
	s = openStore(t, path)
	revokeNew(t, s, 2)
	require.NoError(t, s.Close())
	at := old.begin - markSize
	for _, stale := range [][]byte{text[at:old.begin], make([]byte, markSize), bytes.Repeat([]byte("\n"), markSize)} {
		f, err := os.OpenFile(path+".ledger", os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(stale, at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		s = openStore(t, path)
		require.Nil(t, s.Gap())
		require.NoError(t, s.Close())
		c, err := headOf(path + ".ledger")
		require.NoError(t, err)
		require.EqualValues(t, 2, c.Certificates, "it is right again")
	}
}

// A journal that cannot be written refuses changes, and nothing else: certificates are issued on.
func TestJournalFails(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	n := revokeNew(t, s, 1)
	good := s.ledger.f
	bad, err := os.Open(path + ".ledger") // for reading only
	require.NoError(t, err)
	s.ledger.f = bad
	r := storetest.Record(2)
	require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))

	release, blocked := make(chan struct{}), make(chan struct{}, 1)
	answers := make(chan error, 3)
	go func() {
		answers <- s.do(ctx, func(sqlstore.Tx) error { blocked <- struct{}{}; <-release; return nil })
	}()
	<-blocked
	go func() { answers <- s.Reserve(ctx, storetest.Record(3), provisioner.Spend{}) }()
	refused := make(chan error, 1)
	go func() {
		refused <- s.Revoke(ctx, &authority.Revocation{Serial: r.Serial}, nil, storetest.Spend("token"), nil)
	}()
	for len(s.ops) < 2 {
	}
	close(release)
	require.NoError(t, <-answers)
	require.NoError(t, <-answers)
	require.ErrorIs(t, <-refused, authority.ErrUnavailable)
	require.False(t, isRevoked(t, s, r.Serial))
	require.NoError(t, s.Reserve(ctx, storetest.Record(4), provisioner.Spend{}), "a failed cut must not count as taken")

	s.ledger.f = good
	require.NoError(t, bad.Close())
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: r.Serial}, nil, storetest.Spend("token"), nil), "it spent nothing")
	require.NoError(t, s.Close())
	s = openStore(t, path)
	require.Nil(t, s.Gap())
	require.True(t, isRevoked(t, s, n))
	require.True(t, isRevoked(t, s, r.Serial))
}

// What no longer matters leaves the journal, and what matters stays.
func TestCompact(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	for n := range 20 {
		revokeNew(t, s, n)
	}
	scope := authority.CRLScope{Issuer: "default"}
	for n := range int64(200) {
		require.NoError(t, s.PutCRL(ctx, &authority.CRL{CRLScope: scope, Number: n + 1, DER: []byte{1}}, nil))
	}
	require.NoError(t, s.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	s = openStore(t, path)
	before := s.ledger.end
	require.NoError(t, s.do(ctx, func(sqlstore.Tx) error { return s.ledger.compact(storetest.Record(10).NotAfter) }))
	require.Less(t, s.ledger.end, before/2)
	n := revokeNew(t, s, 30)
	require.NoError(t, s.Close())
	var serials, numbers int
	f, err := os.Open(path + ".ledger")
	require.NoError(t, err)
	c, err := scan(f, func(l *line, _ []byte) error {
		if l.CRL != nil {
			require.EqualValues(t, 200, l.CRL.Number)
			numbers++
		} else {
			serials++
		}
		return nil
	})
	require.NoError(t, errors.Join(err, f.Close()))
	require.Equal(t, []int{11, 1}, []int{serials, numbers})
	require.EqualValues(t, 220, c.Base)
	require.EqualValues(t, 221, c.last)

	require.NoError(t, os.WriteFile(path, b, 0o600)) // level with what was compacted, so older than the rest
	s = openStore(t, path)
	require.NotNil(t, s.Gap())
	require.True(t, isRevoked(t, s, n))
}

// Prune keeps the journal from growing for ever.
func TestPruneKeepsJournalSmall(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	scope := authority.CRLScope{Issuer: string(bytes.Repeat([]byte("i"), 100<<10))}
	for n := range int64(30) {
		require.NoError(t, s.PutCRL(ctx, &authority.CRL{CRLScope: scope, Number: n + 1, DER: []byte{1}}, nil))
	}
	_, err := s.Prune(ctx, authority.Prune{})
	require.NoError(t, err)
	info, err := os.Stat(path + ".ledger")
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(200<<10))
	require.NoError(t, s.Close())
	require.Nil(t, openStore(t, path).Gap())
}

// A process that died while one journal was to replace another leaves something to be settled.
func TestSettle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	n := revokeNew(t, s, 1)
	require.NoError(t, s.Close())
	journal := path + ".ledger"
	whole, err := os.ReadFile(journal)
	require.NoError(t, err)
	for name, prepare := range map[string]func(){
		"compacting":       func() { require.NoError(t, os.WriteFile(journal+unborn, whole[:len(whole)-9], 0o600)) },
		"begun, and known": func() { require.NoError(t, os.Rename(journal, journal+unborn)) },
		"begun, and not":   func() { require.NoError(t, os.WriteFile(journal+unborn, []byte("chanc"), 0o600)) },
		"begun over another": func() {
			require.NoError(t, os.Rename(journal, journal+unborn))
			other := filepath.Join(t.TempDir(), "other")
			require.NoError(t, openStore(t, other).Close())
			require.NoError(t, os.Rename(other+".ledger", journal))
		},
	} {
		t.Run(name, func(t *testing.T) {
			prepare()
			s := openStore(t, path)
			require.Nil(t, s.Gap())
			require.True(t, isRevoked(t, s, n))
			require.NoFileExists(t, journal+unborn)
		})
	}
}

func TestMarkFits(t *testing.T) {
	most := int64(1<<63 - 1)
	b, err := frame(nil, &mark{most, most, most}, markSize)
	require.NoError(t, err)
	require.Len(t, b, markSize)
	h, err := frame(nil, &head{journalVersion, most, most}, 0)
	require.NoError(t, err)
	require.LessOrEqual(t, len(h)+len(b), 512, "head and mark are to be in one sector")
	_, err = frame(nil, &line{CRL: &sqlstore.CRLNumber{Issuer: string(make([]byte, maxLine))}}, 0)
	require.ErrorIs(t, err, errLength)
}

// However long a record is, it can be revoked.
func TestLongRecord(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ca.db")
	s := openStore(t, path)
	r := storetest.Record(1)
	r.Names = []string{string(bytes.Repeat([]byte("n"), maxLine))}
	require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: r.Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(path))
	s = openStore(t, path)
	require.True(t, isRevoked(t, s, r.Serial))
	require.NoError(t, s.Close())

	path = filepath.Join(t.TempDir(), "ca.db") // nor from having a new journal
	s = openStore(t, path)
	require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: r.Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(path+".ledger"))
	s, err := Open(ctx, path, &Options{Restored: Accept})
	require.NoError(t, err)
	require.True(t, isRevoked(t, s, r.Serial))
	require.NoError(t, s.Close())
	require.Nil(t, openStore(t, path).Gap())
}
