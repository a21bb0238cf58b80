package sqlite

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzJournal reads anything as a journal: what is accepted writes back unchanged.
func FuzzJournal(f *testing.F) {
	if seeds, err := filepath.Glob("testdata/fuzz/FuzzJournal/*"); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, text []byte, sum bool) {
		if sum { // checksums are not to keep the fuzzer out
			var all []byte
			for l := range bytes.Lines(text) {
				l = bytes.TrimSuffix(l, []byte("\n"))
				all = append(append(appendSum(all, l), l...), '\n')
			}
			text = all
		}
		var again []byte
		c, err := scan(bytes.NewReader(text), func(l *line, raw []byte) error {
			var err error
			again, err = frame(again, l, 0)
			require.NoError(t, err)
			require.NoError(t, l.check())
			if l.Standing != nil {
				require.Equal(t, l.Standing.Serial, l.Standing.Record().Serial)
			}
			return nil
		})
		if err != nil {
			require.True(t, errors.Is(err, errNoJournal) || errors.Is(err, errDamaged) || errors.Is(err, io.EOF), err)
			return
		}
		require.LessOrEqual(t, c.good, int64(len(text)))
		require.Equal(t, string(text[c.begin:c.good]), string(again))
	})
}
