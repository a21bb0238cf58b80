package sqlite_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/stretchr/testify/require"
)

// Where the journal cannot tell, nothing is opened until somebody accepts that.
func TestJournalAstray(t *testing.T) {
	damage := func(b []byte) []byte {
		b = slices.Clone(b)
		b[len(b)/2] ^= 1
		return b
	}
	for name, spoil := range map[string]func(journal string) error{
		"missing": os.Remove,
		"another's": func(journal string) error {
			other := filepath.Join(t.TempDir(), "other.db")
			session(t, other, nil, func(s *sqlite.Store) { issue(t, s, 1) })
			return os.Rename(other+".ledger", journal)
		},
		"damaged": func(journal string) error {
			b, err := os.ReadFile(journal)
			require.NoError(t, err)
			return os.WriteFile(journal, damage(b), 0o600)
		},
		"cut short": func(journal string) error { return os.Truncate(journal, 2000) },
		"empty":     func(journal string) error { return os.Truncate(journal, 0) },
		"no journal": func(journal string) error {
			return os.WriteFile(journal, []byte("the shopping list, which is no journal\n"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := history(t)
			require.NoError(t, spoil(path+".ledger"))
			for _, o := range []*sqlite.Options{nil, {Restored: sqlite.Replay}} {
				_, err := sqlite.Open(ctx, path, o)
				require.ErrorIs(t, err, sqlite.ErrRestored)
				require.ErrorIs(t, err, authority.ErrReadOnly)
			}
			session(t, path, &sqlite.Options{ReadOnly: true}, func(s *sqlite.Store) { // to look into it
				require.NotNil(t, s.Gap())
				standings(t, s)
			})
			session(t, path, &sqlite.Options{Restored: sqlite.Accept}, func(s *sqlite.Store) {
				standings(t, s)
				issue(t, s, 60)
				revoke(t, s, 60, 1)
			})
			session(t, path, nil, func(s *sqlite.Store) { require.Nil(t, s.Gap()) })
			if name != "missing" {
				kept, err := filepath.Glob(path + ".ledger.*")
				require.NoError(t, err)
				require.Len(t, kept, 1, "the journal that was replaced is kept")
			}

			// The new one has all that there was.
			require.NoError(t, os.Remove(path))
			session(t, path, nil, func(s *sqlite.Store) {
				r, err := s.Certificate(ctx, serialOf(4))
				require.NoError(t, err)
				require.NotNil(t, r.Revocation)
			})
		})
	}
}

// An older copy with a damaged journal: what is intact of it is made up for.
func TestRestoredWithDamagedJournal(t *testing.T) {
	path := history(t)
	copyFile(t, path+".old", path)
	b, err := os.ReadFile(path + ".ledger")
	require.NoError(t, err)
	lines := strings.SplitAfter(string(b), "\n")
	require.NoError(t, os.WriteFile(path+".ledger", []byte(strings.Join(append(lines[:len(lines)-3:len(lines)-3], "what?\n", lines[len(lines)-2]), "")), 0o600))
	_, err = sqlite.Open(ctx, path, nil)
	require.ErrorIs(t, err, sqlite.ErrRestored)
	require.ErrorContains(t, err, "damaged")
	session(t, path, &sqlite.Options{Restored: sqlite.Accept}, func(s *sqlite.Store) { standings(t, s, 21, 22) })
}

// A database from before there were journals gets one, of all that it knows.
func TestDatabaseWithoutJournal(t *testing.T) {
	path := history(t)
	execute(t, path, "DELETE FROM counters WHERE name LIKE 'journal%'")
	require.NoError(t, os.Remove(path+".ledger"))
	session(t, path, &sqlite.Options{ReadOnly: true}, func(s *sqlite.Store) { require.Nil(t, s.Gap()) })
	session(t, path, nil, func(s *sqlite.Store) {
		require.Nil(t, s.Gap())
		standings(t, s)
	})
	require.NoError(t, os.Remove(path))
	session(t, path, &sqlite.Options{Restored: sqlite.Replay}, func(s *sqlite.Store) { standings(t, s, 5, 6, 21, 22) })
}

func TestJournalElsewhere(t *testing.T) {
	path, o := filepath.Join(t.TempDir(), "ca.db"), &sqlite.Options{Journal: filepath.Join(t.TempDir(), "journal")}
	session(t, path, o, func(s *sqlite.Store) { issue(t, s, 1); revoke(t, s, 1, 1) })
	require.FileExists(t, o.Journal)
	require.NoFileExists(t, path+".ledger")
	_, err := sqlite.Open(ctx, path, nil)
	require.ErrorIs(t, err, sqlite.ErrRestored, "it is not where it was")
	session(t, path, o, func(s *sqlite.Store) { require.Nil(t, s.Gap()) })
	_, err = sqlite.Open(ctx, path, &sqlite.Options{Journal: path, Restored: sqlite.Accept})
	require.ErrorContains(t, err, "cannot be in the database")
	_, err = sqlite.Open(ctx, filepath.Join(t.TempDir(), "new.db"), &sqlite.Options{Journal: filepath.Join(t.TempDir(), "no", "folder")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRestoredText(t *testing.T) {
	for text, want := range map[string]sqlite.Restored{"": 0, "replay": sqlite.Replay, "accept": sqlite.Accept} {
		got := sqlite.Accept
		require.NoError(t, got.UnmarshalText([]byte(text)))
		require.Equal(t, want, got)
		b, err := got.MarshalText()
		require.NoError(t, err)
		require.Equal(t, text, string(b))
	}
	got := sqlite.Replay
	require.Error(t, got.UnmarshalText([]byte("Replay")))
	require.Equal(t, sqlite.Replay, got)
	_, err := sqlite.Restored(9).MarshalText()
	require.Error(t, err)
}
