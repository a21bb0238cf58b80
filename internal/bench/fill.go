package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// filler puts rows into a store by SQL, since ten million through its front door take an hour. The rows are
// as the store would have written them, but for the digests of names, which are random: what is searched for
// afterwards is put in through the store.
type filler struct {
	db                      *sql.DB
	series, hex, blob, rand string // how the dialect counts, reads hex, makes bytes and random numbers
}

func sqliteFiller(path string) (*filler, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-3000000)&_pragma=temp_store(2)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &filler{
		db:     db,
		series: "(WITH RECURSIVE s(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM s WHERE i < %d) SELECT i FROM s) AS s",
		hex:    "unhex('40' || printf('%08x', (@at) / 1000000) || hex(randomblob(11)))",
		blob:   "randomblob(%d)", rand: "abs(random() >> 1)",
	}, nil
}

func postgresFiller(url string) (*filler, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	return &filler{
		db:     db,
		series: "generate_series(%d, %d) AS s(i)",
		hex:    "decode('40' || lpad(to_hex((@at) / 1000000), 8, '0') || substr(md5(random()::text), 1, 22), 'hex')",
		blob:   "decode(repeat(md5(random()::text), %d / 16), 'hex')", rand: "(random() * 9223372036854775807)::bigint",
	}, nil
}

// fill adds the rows from..to, one every three milliseconds up to now, and revokes every tenth of them.
func (f *filler) fill(ctx context.Context, from, to int, issuer string, progress func(int)) error {
	const chunk = 500_000
	end := time.Now().Add(-time.Hour).UnixMicro()
	for at := from; at <= to; at += chunk {
		last := min(at+chunk-1, to)
		series := fmt.Sprintf(f.series, at, last)
		known := fmt.Sprintf("%d - (%d - CAST(i AS BIGINT)) * 3000", end, to)
		for _, q := range []string{
			`INSERT INTO certificates (serial, status, not_before, not_after, reserved_at, issued_at, issuer, shard, provisioner, profile,
				subject, key_id, entity, spend, more, tbs, der)
			SELECT ` + strings.ReplaceAll(f.hex, "@at", known) + `, 1, ` + known + `, ` + known + ` + 2592000000000, ` + known + `, ` + known + ` + 1000,
				'` + issuer + `', (i % 16) + 1, 'provisioner-' || (i % 20), '', 'host-' || i || '.internal', 'key', '', NULL,
				'{"op":"x509/sign","names":["host-' || i || '.internal"]}', ` + fmt.Sprintf(f.blob, 400) + `, ` + fmt.Sprintf(f.blob, 96) + ` FROM ` + series,
			`INSERT INTO terms (term, reserved_at, certificate)
			SELECT ` + f.rand + `, reserved_at, id FROM certificates WHERE reserved_at >= ` + f.bound(end, to, at) + ` AND reserved_at <= ` + f.bound(end, to, last),
			`INSERT INTO terms (term, reserved_at, certificate)
			SELECT ` + f.rand + `, reserved_at, id FROM certificates WHERE reserved_at >= ` + f.bound(end, to, at) + ` AND reserved_at <= ` + f.bound(end, to, last),
			`INSERT INTO revocations (certificate, kind, issuer, shard, serial, not_after, reserved_at, reason_code, reason, at, provisioner, revoked_by, revision)
			SELECT id, 0, issuer, shard, serial, not_after, reserved_at, (id % 2) * 4, '', reserved_at, provisioner, 'admin', 0 FROM certificates
			WHERE reserved_at >= ` + f.bound(end, to, at) + ` AND reserved_at <= ` + f.bound(end, to, last) + ` AND id % 10 = 0`,
		} {
			if _, err := f.db.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("filling: %w", err)
			}
		}
		progress(last)
	}
	return nil
}

func (f *filler) bound(end int64, to, i int) string { return fmt.Sprint(end - int64(to-i)*3000) }
