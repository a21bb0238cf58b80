package storetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

func crlOf(issuer string, shard int, delta bool, number int64) *authority.CRL {
	c := &authority.CRL{
		CRLScope: authority.CRLScope{Issuer: issuer, Shard: shard, Delta: delta}, Number: number, Revision: 10 * number,
		ThisUpdate: issuedAt, NextUpdate: issuedAt.Add(time.Hour), Entries: 7, DER: fmt.Append(nil, "crl ", issuer, shard, delta, number),
	}
	if delta {
		c.Base = number - 1
	}
	return c
}

func withoutDER(c *authority.CRL) *authority.CRL {
	c.DER = nil
	return c
}

func crlRoundTrip(t *testing.T, s authority.Store) {
	ctx := context.Background()
	full := crlOf("default", 0, false, 5)
	_, err := s.CRL(ctx, full.CRLScope, 0)
	require.ErrorIs(t, err, authority.ErrNotFound)
	crls, err := s.CRLs(ctx, "default")
	require.NoError(t, err)
	require.Empty(t, crls)

	full.DER = bytes.Repeat([]byte("a large one "), 300000)
	require.NoError(t, s.PutCRL(ctx, full, posts("1", "sink")))
	require.Len(t, outbox(t, s, "sink"), 1)
	want := *full
	want.DER = bytes.Clone(full.DER)
	full.DER[0]++ // nothing is shared
	got, err := s.CRL(ctx, want.CRLScope, 4)
	require.NoError(t, err)
	require.Equal(t, &want, got)
	got.DER[0]++
	got, err = s.CRL(ctx, want.CRLScope, 0)
	require.NoError(t, err)
	require.Equal(t, &want, got)
	for _, above := range []int64{5, 6, 1 << 62} {
		_, err = s.CRL(ctx, want.CRLScope, above)
		require.ErrorIs(t, err, authority.ErrNotFound, "nothing above %d", above)
	}

	require.NoError(t, s.PutCRL(ctx, crlOf("default", 0, true, 6), nil))
	require.NoError(t, s.PutCRL(ctx, crlOf("default", 12, false, 1), nil))
	require.NoError(t, s.PutCRL(ctx, crlOf("default", 2, true, 1), nil))
	require.NoError(t, s.PutCRL(ctx, crlOf("default", 2, false, 2), nil))
	require.NoError(t, s.PutCRL(ctx, crlOf("other", 0, false, 1), nil))
	require.NoError(t, s.PutCRL(ctx, crlOf("default", 0, false, 7), nil), "in the place of the old one")
	crls, err = s.CRLs(ctx, "default")
	require.NoError(t, err)
	require.Equal(t, []*authority.CRL{
		withoutDER(crlOf("default", 0, false, 7)), withoutDER(crlOf("default", 0, true, 6)), withoutDER(crlOf("default", 2, false, 2)),
		withoutDER(crlOf("default", 2, true, 1)), withoutDER(crlOf("default", 12, false, 1)),
	}, crls)
	got, err = s.CRL(ctx, want.CRLScope, 5)
	require.NoError(t, err)
	require.Equal(t, crlOf("default", 0, false, 7), got)
}

func crlNumbers(t *testing.T, s authority.Store) {
	ctx := context.Background()
	require.NoError(t, s.PutCRL(ctx, crlOf("default", 0, false, 5), nil))
	put := func(delta bool, number int64) error {
		return s.PutCRL(ctx, crlOf("default", 0, delta, number), posts(fmt.Sprint(number), "sink"))
	}
	for _, number := range []int64{5, 4, 0, -1} {
		require.ErrorIs(t, put(false, number), authority.ErrExists)
		require.ErrorIs(t, put(true, number), authority.ErrExists, "deltas are numbered together with full ones")
	}
	require.NoError(t, put(true, 6))
	require.ErrorIs(t, put(false, 6), authority.ErrExists)
	require.NoError(t, put(false, 100), "numbers may be left out")
	require.ErrorIs(t, put(true, 99), authority.ErrExists)
	require.Len(t, outbox(t, s, "sink"), 2, "only those that were kept are told of")
	require.NoError(t, s.PutCRL(ctx, crlOf("default", 1, false, 1), nil), "another shard")
	require.NoError(t, s.PutCRL(ctx, crlOf("other", 0, false, 1), nil), "another issuer")
	got, err := s.CRL(ctx, authority.CRLScope{Issuer: "default"}, 0)
	require.NoError(t, err)
	require.Equal(t, crlOf("default", 0, false, 100), got, "a refused one left something behind")
}

func crlRace(t *testing.T, s authority.Store) {
	ctx := context.Background()
	var mu sync.Mutex
	kept := map[int64]int{}
	together(t, func(i int) error {
		c := crlOf("default", 0, i%2 == 0, int64(1+i/8))
		err := s.PutCRL(ctx, c, posts(fmt.Sprint(c.Number), "sink"))
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			kept[c.Number]++
		}
		return err
	}, authority.ErrExists)
	for number, n := range kept {
		require.Equal(t, 1, n, "number %d was given to several", number)
	}
	require.Equal(t, 1, kept[8])
	crls, err := s.CRLs(ctx, "default")
	require.NoError(t, err)
	highest := int64(0)
	for _, c := range crls {
		highest = max(highest, c.Number)
	}
	require.EqualValues(t, 8, highest)
	require.Len(t, outbox(t, s, "sink"), len(kept))
}

// A CRL that knows less does not take the place of one that knows more, whatever its number.
func crlRevision(t *testing.T, s authority.Store) {
	ctx := context.Background()
	require.NoError(t, s.PutCRL(ctx, crlOf("default", 0, false, 5), nil))
	old := crlOf("default", 0, false, 9)
	old.Revision = 49
	require.ErrorIs(t, s.PutCRL(ctx, old, posts("1", "sink")), authority.ErrExists)
	require.Empty(t, outbox(t, s, "sink"))
	got, err := s.CRL(ctx, old.CRLScope, 0)
	require.NoError(t, err)
	require.Equal(t, int64(5), got.Number)
	same := crlOf("default", 0, false, 6) // which the refused one has not used up
	same.Revision = 50
	require.NoError(t, s.PutCRL(ctx, same, nil))
	other := crlOf("default", 1, false, 1)
	other.Revision = 1
	require.NoError(t, s.PutCRL(ctx, other, nil), "another shard")
}
