package authority_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
)

func TestExpiryNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notices := func(c *authority.Config) { c.ExpiryNotices = []time.Duration{8 * time.Hour, time.Hour} }
		ca := authoritytest.New(t, notices)
		stop := background(t, ca.Authority)
		leaf := ca.Leaf("a.internal").Leaf
		serial := string(authority.SerialOf(leaf.SerialNumber))
		ca.Revoked("b.internal")
		time.Sleep(15 * time.Hour)
		require.Empty(t, ca.Events.OfType(event.CertificateExpiring))
		time.Sleep(2 * time.Hour)
		told := ca.Events.OfType(event.CertificateExpiring)
		require.Len(t, told, 1)
		require.Equal(t, serial, told[0].Subject)
		require.Empty(t, ca.Events.OfType(event.CertificateExpired))
		stop()

		// Nobody looks for a month. Then everything that was missed is told, each under the ID that it
		// would have had.
		time.Sleep(30 * 24 * time.Hour)
		next := authoritytest.New(t, notices, func(c *authority.Config) { c.Store = ca.Store })
		stop = background(t, next.Authority)
		time.Sleep(2 * time.Minute)
		told = next.Events.OfType(event.CertificateExpiring)
		require.Len(t, told, 1)
		require.Equal(t, serial+"-expiring-3600", told[0].ID)
		ended := next.Events.OfType(event.CertificateExpired)
		require.Len(t, ended, 1)
		require.Equal(t, serial+"-expired", ended[0].ID)
		time.Sleep(48 * time.Hour)
		require.Len(t, next.Events.OfType(event.CertificateExpired), 1, "told once")
		stop()
		ca.Check()
	})
}

func TestIssuerNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t, func(c *authority.Config) { c.IssuerNotice = 11 * 366 * 24 * time.Hour }) // it lives 10 years
		stop := background(t, ca.Authority)
		time.Sleep(time.Hour)
		told := ca.Events.OfType(event.IssuerExpiring)
		require.Len(t, told, 2)
		require.Equal(t, "intermediate", told[0].Data.(event.Issuer).Name)
		require.Equal(t, event.Issuer{Name: "root", Subject: "CN=Test Root CA", NotAfter: ca.Root.NotAfter}, told[1].Data)
		stop()
		stop = background(t, ca.Authority) // a restart repeats nothing
		time.Sleep(time.Hour)
		require.Len(t, ca.Events.OfType(event.IssuerExpiring), 2)
		time.Sleep(24 * time.Hour)
		require.Len(t, ca.Events.OfType(event.IssuerExpiring), 4, "once a day")
		stop()
	})
}
