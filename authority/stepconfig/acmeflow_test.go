package stepconfig_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/provisioner"
)

// TestACMEFolder serves a folder with an ACME provisioner, and has a certificate issued after http-01 on loopback, which
// needs to be allowed.
func TestACMEFolder(t *testing.T) {
	ctx := t.Context()
	x := newFixture(t)
	x.change(func(m, a, p map[string]any) {
		delete(m, "db") // in memory
		a["provisioners"] = []any{p, map[string]any{"type": "ACME", "name": "acme"}}
	})
	answers := http.NewServeMux()
	web := httptest.NewServer(answers)
	defer web.Close()
	port := web.Listener.Addr().(*net.TCPAddr).Port
	x.write("config/chancery.json", fmt.Sprintf(`{"acme": {"httpPort": %d}}`, port))
	f, err := stepconfig.Load(filepath.Join(x.dir, "config", "ca.json"))
	require.NoError(t, err)
	require.Equal(t, stepconfig.Provisioner{Type: "ACME", Name: "acme", HTTPPort: port}, f.Provisioners[1])
	store, err := f.OpenStore(ctx, nil)
	require.NoError(t, err)
	defer store.Close()
	config := func(allow ...netip.Prefix) *authority.Config {
		c, err := f.Config(ctx, stepconfig.Options{Password: password("hunter2"), Store: store, ACME: stepconfig.ACME{Allow: allow}})
		require.NoError(t, err)
		return c
	}
	ca, err := authority.New(*config())
	require.NoError(t, err)
	defer ca.Close()
	api := httptest.NewTLSServer(httpapi.New(ca, nil))
	defer api.Close()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	client := &xacme.Client{Key: key, HTTPClient: api.Client(), DirectoryURL: api.URL + "/acme/acme/directory"}
	_, err = client.Register(ctx, &xacme.Account{}, xacme.AcceptTOS)
	require.NoError(t, err)
	prove := func() (*xacme.Order, error) {
		o, err := client.AuthorizeOrder(ctx, xacme.IPIDs("127.0.0.1"))
		require.NoError(t, err)
		z, err := client.GetAuthorization(ctx, o.AuthzURLs[0])
		require.NoError(t, err)
		for _, ch := range z.Challenges {
			if ch.Type != "http-01" {
				continue
			}
			body, err := client.HTTP01ChallengeResponse(ch.Token)
			require.NoError(t, err)
			answers.HandleFunc(client.HTTP01ChallengePath(ch.Token), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
			_, err = client.Accept(ctx, ch)
			require.NoError(t, err)
		}
		return client.WaitOrder(ctx, o.URI)
	}
	_, err = prove()
	require.Error(t, err, "loopback is not open by itself")
	require.False(t, strings.Contains(err.Error(), "loopback"), "why is not the client's to know")

	require.NoError(t, ca.Reconfigure(ctx, *config(netip.MustParsePrefix("127.0.0.0/8"))))
	o, err := prove()
	require.NoError(t, err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, leafKey)
	require.NoError(t, err)
	der, _, err := client.CreateOrderCert(ctx, o.FinalizeURL, csr, true)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der[0])
	require.NoError(t, err)
	name, mark, ok := provisioner.MarkOf(leaf)
	require.True(t, ok)
	require.Equal(t, "acme", name)
	require.Equal(t, provisioner.TypeACME, mark.Type)
}
