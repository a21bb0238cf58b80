package crl_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
)

// Whatever happens to certificates: a base with its delta says at every moment what is so, and what the
// full CRL says that is made next.
func TestDeltaAppliedIsFull(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		synctest.Test(t, func(t *testing.T) { // not around Check, which asks for the deadline
			l := newLab(t, pointers(2, true))
			p := l.publisher(crl.Options{Issuers: []string{"a"}, OnChange: 10 * time.Second, Validity: 30 * time.Minute})
			stop := l.run(p)
			defer stop()
			state := map[authority.Serial]int{} // -1: good
			shard := map[authority.Serial]int{}
			for range rapid.IntRange(1, 25).Draw(r, "steps") {
				var s authority.Serial
				if all := slices.Sorted(maps.Keys(state)); len(all) > 0 && rapid.Bool().Draw(r, "old") {
					s = rapid.SampledFrom(all).Draw(r, "serial")
				} else {
					n := rapid.IntRange(0, 2).Draw(r, "shard")
					s = l.record("a", n, time.Now().AddDate(1, 0, 0))
					state[s], shard[s] = -1, n
				}
				switch do := rapid.SampledFrom([]string{"revoke", "hold", "release", "nothing"}).Draw(r, "do"); {
				case do == "revoke" && (state[s] == -1 || state[s] == authority.ReasonCertificateHold):
					state[s] = rapid.SampledFrom([]int{0, 1, 3, 4, 5, 9, 10}).Draw(r, "reason")
					l.revoke(s, state[s])
				case do == "hold" && state[s] == -1:
					state[s] = authority.ReasonCertificateHold
					l.revoke(s, state[s])
				case do == "release" && state[s] == authority.ReasonCertificateHold:
					state[s] = -1
					require.NoError(t, l.store.Release(t.Context(), s, time.Now(), nil))
				}
				if rapid.IntRange(0, 3).Draw(r, "wait") == 0 {
					time.Sleep(time.Duration(rapid.SampledFrom([]int{11, 11, 300, 1300}).Draw(r, "seconds")) * time.Second)
				}
			}
			time.Sleep(11 * time.Second)
			synctest.Wait()
			said := map[int]crltest.Entries{}
			for n := range 3 {
				want := crltest.Entries{}
				for s, reason := range state {
					if reason >= 0 && (n == 0 || shard[s] == n) {
						want[s] = reason
					}
				}
				said[n] = crltest.Apply(l.list("a", n, false), l.list("a", n, true))
				require.Equal(t, want, said[n])
			}
			require.Empty(t, crltest.Rely(t.Context(), l.ca, p.Handler()))
			require.NoError(t, p.Publish(t.Context()))
			require.Empty(t, crltest.Rely(t.Context(), l.ca, p.Handler()))
			for n := range 3 {
				require.Equal(t, said[n], l.list("a", n, false))
				require.Empty(t, l.list("a", n, true))
			}
		})
	})
}
