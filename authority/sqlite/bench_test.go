package sqlite_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"math/big"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// BenchmarkReserveCommit is what the store does for one certificate, with n callers at once.
func BenchmarkReserveCommit(b *testing.B) {
	for _, callers := range []int{1, 16, 32, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "ca.db"))
			var n atomic.Int64
			records := make([]*authority.Record, b.N) // made beforehand: their cost is not the store's
			for i := range records {
				records[i] = benchRecord(i)
			}
			inParallel(b, callers, func() error {
				r := records[n.Add(1)-1]
				err := s.Reserve(context.Background(), r, provisioner.Spend{ID: string(r.Serial) + "-token", Until: r.NotAfter})
				if err != nil {
					return err
				}
				return s.Commit(context.Background(), r.Serial, r.DER, r.NotBefore, nil)
			})
		})
	}
}

// BenchmarkRevoke is what one revocation takes, with n callers at once.
func BenchmarkRevoke(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "ca.db"))
			serials := make([]authority.Serial, b.N)
			var n atomic.Int64
			inParallel(b, 32, func() error {
				i := n.Add(1) - 1
				r := benchRecord(int(i))
				serials[i] = r.Serial
				return s.Reserve(context.Background(), r, provisioner.Spend{})
			})
			n.Store(0)
			b.StartTimer()
			inParallel(b, callers, func() error {
				v := &authority.Revocation{Serial: serials[n.Add(1)-1], ReasonCode: 1, RevokedAt: time.Now()}
				return s.Revoke(context.Background(), v, nil, provisioner.Spend{}, nil)
			})
		})
	}
}

// BenchmarkFloor is one bare row per transaction over one connection: what the disk and the driver take
// without us.
func BenchmarkFloor(b *testing.B) {
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "floor.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	require.NoError(b, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
	require.NoError(b, err)
	st, err := db.Prepare("INSERT INTO t (v) VALUES (?)")
	require.NoError(b, err)
	value := make([]byte, 600)
	inParallel(b, 1, func() error {
		_, err := st.Exec(value)
		return err
	})
}

func BenchmarkCertificate(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "ca.db"))
	r := storetest.Record(1)
	require.NoError(b, s.Reserve(context.Background(), r, provisioner.Spend{}))
	inParallel(b, 16, func() error {
		_, err := s.Certificate(context.Background(), r.Serial)
		return err
	})
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ca.db")
	for b.Loop() {
		s := open(b, path)
		require.NoError(b, s.Close())
	}
}

func benchRecord(n int) *authority.Record {
	r := storetest.Record(n)
	var serial [16]byte
	rand.Read(serial[:])
	serial[0] |= 0x40
	r.Serial = authority.SerialOf(new(big.Int).SetBytes(serial[:]))
	r.Names, r.DER = r.Names[:1], storetest.Certificate(r.TBS)
	r.NotBefore = time.Now()
	r.NotAfter, r.ReservedAt = r.NotBefore.Add(24*time.Hour), r.NotBefore
	return r
}

// inParallel runs f b.N times from that many goroutines, and reports the CPU of one.
func inParallel(b *testing.B, callers int, f func() error) {
	b.ReportAllocs()
	left := atomic.Int64{}
	left.Store(int64(b.N))
	done := make(chan error, callers)
	cpu := cpuTime()
	b.ResetTimer()
	for range callers {
		go func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		require.NoError(b, <-done)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-cpu)/1e3/float64(b.N), "cpu-µs/op")
}
