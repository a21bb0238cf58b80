package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// BenchmarkReserveCommit is what the store does for one certificate, with n callers at once.
func BenchmarkReserveCommit(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := open(b, pgtest.Start(b).Database(b))
			var n atomic.Int64
			records := make([]*authority.Record, b.N) // made beforehand: their cost is not the store's
			for i := range records {
				records[i] = benchRecord(i)
			}
			inParallel(b, callers, func() error {
				r := records[n.Add(1)-1]
				err := s.Reserve(ctx, r, provisioner.Spend{ID: string(r.Serial) + "-token", Until: r.NotAfter})
				if err != nil {
					return err
				}
				return s.Commit(ctx, r.Serial, r.DER, r.NotBefore, nil)
			})
		})
	}
}

// BenchmarkFloor is one bare row per transaction: what the server, its disk and the driver take without us.
func BenchmarkFloor(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			c, err := pgxpool.ParseConfig(pgtest.Start(b).Database(b))
			require.NoError(b, err)
			c.MaxConns = 16
			pool, err := pgxpool.NewWithConfig(ctx, c)
			require.NoError(b, err)
			defer pool.Close()
			_, err = pool.Exec(ctx, "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v BYTEA)")
			require.NoError(b, err)
			value := make([]byte, 600)
			inParallel(b, callers, func() error {
				_, err := pool.Exec(ctx, "INSERT INTO t (v) VALUES ($1)", value)
				return err
			})
		})
	}
}

func BenchmarkCertificate(b *testing.B) {
	s := open(b, pgtest.Start(b).Database(b))
	r := issue(b, s, 1)
	inParallel(b, 16, func() error {
		_, err := s.Certificate(context.Background(), r.Serial)
		return err
	})
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

// inParallel runs f b.N times from that many goroutines.
func inParallel(b *testing.B, callers int, f func() error) {
	b.ReportAllocs()
	left := atomic.Int64{}
	left.Store(int64(b.N))
	done := make(chan error, callers)
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
}
