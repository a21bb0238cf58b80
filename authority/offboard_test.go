package authority_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
)

// Whoever leaves has nothing that is good any more, X.509 or SSH, whether they leave while somebody watches, or before,
// and also when the store fails at first.
func TestOffboard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		early := alice()
		early.ID, early.Active = "u-2", true
		early.Identifiers = []inventory.Identifier{{Kind: provisioner.Email, Value: "early@example.com"}}
		early.POSIX = nil
		m, err := inventory.NewMemory(alice(), early, web())
		require.NoError(t, err)
		ca := authoritytest.New(t, func(c *authority.Config) { c.Inventory, c.Offboard = m, true })
		issue := func(subject string) authority.Serial {
			return ca.IssueSSH(sshRequest(t, ca, subject, provisioner.SSHTicket{CertType: "user"})).Record.Serial
		}
		first, second, of, kept := issue("alice@example.com"), issue("alice@example.com"), issue("early@example.com"), issue("web.internal")
		leaf := authority.SerialOf(ca.Issue(signRequest(t, ca, "alice@example.com")).Leaf.SerialNumber)
		gone := early.Clone()
		gone.Active = false
		require.NoError(t, m.Put(t.Context(), gone))

		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ca.Authority.Run(ctx) }()
		synctest.Wait()
		revoked := func(s authority.Serial) bool {
			r, err := ca.Authority.Certificate(t.Context(), s)
			require.NoError(t, err)
			if r.Revocation != nil {
				require.Equal(t, authority.ReasonPrivilegeWithdrawn, r.Revocation.ReasonCode)
				require.Equal(t, "inventory", r.Revocation.By)
			}
			return r.Revocation != nil
		}
		require.True(t, revoked(of), "who had left before")
		require.False(t, revoked(first))

		ca.Faults.Fail(authoritytest.Revoke, 1)
		left := alice()
		left.Active = false
		require.NoError(t, m.Put(t.Context(), left))
		synctest.Wait()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		for _, s := range []authority.Serial{first, second, leaf} {
			require.True(t, revoked(s), s)
		}
		require.False(t, revoked(kept))
		require.NoError(t, m.Delete(t.Context(), "h-1"))
		synctest.Wait()
		require.True(t, revoked(kept), "who is deleted has left, too")
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
		ca.Check()
	})
}

func TestOffboardNeedsWatcher(t *testing.T) {
	var kept authority.Config
	authoritytest.New(t, func(c *authority.Config) { kept = *c })
	kept.Offboard = true
	_, err := authority.New(kept)
	require.ErrorContains(t, err, "watched")
}
