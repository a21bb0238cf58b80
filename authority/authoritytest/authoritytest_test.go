package authoritytest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handshake connects a client and a server over a pipe and returns what each of them said.
func handshake(client, server *tls.Config) (cerr, serr error) {
	c, s := net.Pipe()
	defer c.Close()
	defer s.Close()
	done := make(chan error, 1)
	go func() {
		conn := tls.Server(s, server)
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte{1})
		}
		s.Close()
		done <- err
	}()
	conn := tls.Client(c, client)
	if cerr = conn.Handshake(); cerr == nil {
		_, cerr = conn.Read(make([]byte, 1))
	}
	c.Close()
	return cerr, <-done
}

func TestMutualTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		server, client := ca.ServerTLS("db.internal"), ca.ClientTLS("alice@example.com")
		server.ClientAuth = tls.RequireAndVerifyClientCert
		client.ServerName = "db.internal"
		cerr, serr := handshake(client, server)
		require.NoError(t, cerr)
		require.NoError(t, serr)

		time.Sleep(25 * time.Hour)
		cerr, _ = handshake(client, server)
		require.ErrorContains(t, cerr, "expired")
		ca.Check()
	})
}

func TestWhatMustBeRefused(t *testing.T) {
	ca := authoritytest.New(t)
	for name, leaf := range map[string]*tls.Certificate{
		"expired":       ca.Expired("db.internal"),
		"not yet valid": ca.NotYetValid("db.internal"),
		"wrong usage":   ca.WrongUsage("db.internal"),
		"wrong name":    ca.WrongName(),
		"stranger":      ca.Stranger("db.internal"),
	} {
		t.Run(name, func(t *testing.T) {
			client := ca.ClientTLS()
			client.ServerName = "db.internal"
			cerr, _ := handshake(client, &tls.Config{Certificates: []tls.Certificate{*leaf}})
			require.Error(t, cerr)
			if name == "wrong name" {
				return
			}
			server := ca.ServerTLS("db.internal")
			server.ClientAuth = tls.RequireAndVerifyClientCert
			client.Certificates = []tls.Certificate{*leaf}
			_, serr := handshake(client, server)
			require.Error(t, serr)
		})
	}
	revoked := ca.Revoked("db.internal")
	r, err := ca.Authority.Certificate(t.Context(), authority.SerialOf(revoked.Leaf.SerialNumber))
	require.NoError(t, err)
	require.NotNil(t, r.Revocation)
	ca.Check()
}

func TestHTTP(t *testing.T) {
	ca := authoritytest.New(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	csr := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: ca.CSR(key, "db.internal").Raw})
	body, err := json.Marshal(map[string]string{"csr": string(csr), "ott": ca.Token("db.internal")})
	require.NoError(t, err)
	res, err := ca.HTTP(nil).Post(authoritytest.URL+"/1.0/sign", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusCreated, res.StatusCode)
	var got struct{ Crt string }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&got))
	block, _ := pem.Decode([]byte(got.Crt))
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)

	holder := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	res, err = ca.HTTP(holder).Post(authoritytest.URL+"/renew", "application/json", nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.Len(t, ca.Events.OfType(event.CertificateRenewed), 1)

	_, err = ca.HTTP(ca.Stranger("db.internal")).Post(authoritytest.URL+"/renew", "application/json", nil)
	require.Error(t, err)
	ca.Check()
}

// A kit that does not notice is worth nothing: Check must fail when the books are cooked.
func TestCheckNotices(t *testing.T) {
	for name, cook := range map[string]func(t testing.TB, ca *authoritytest.CA){
		"a certificate the store lost": func(t testing.TB, ca *authoritytest.CA) {
			ca.Issue(&authority.Request{Provisioner: authoritytest.Local, Local: true, CSR: ca.CSR(mustKey(t), "x.internal")})
			ca.Authority.Reconfigure(t.Context(), authority.Config{})
			_, err := ca.Store.Prune(t.Context(), authority.Prune{Now: time.Now(), Certificates: time.Now().Add(1000 * time.Hour)})
			require.NoError(t, err)
		},
		"an event too many": func(t testing.TB, ca *authoritytest.CA) {
			leaf := ca.Leaf("x.internal").Leaf
			ca.Events.Publish(t.Context(), event.Event{Type: event.CertificateIssued, Subject: string(authority.SerialOf(leaf.SerialNumber))})
		},
		"a certificate signed behind the back": func(t testing.TB, ca *authoritytest.CA) {
			leaf := ca.SignAnything(func(*x509.Certificate) {}, "x.internal").Leaf
			r := &authority.Record{Serial: authority.SerialOf(leaf.SerialNumber), Status: authority.Reserved, TBS: []byte("something else"), NotAfter: leaf.NotAfter}
			require.NoError(t, ca.Store.Reserve(t.Context(), r, provisioner.Spend{}))
			require.NoError(t, ca.Store.Commit(t.Context(), r.Serial, leaf.Raw, time.Now(), nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			probe := &recorder{TB: t}
			ca := authoritytest.New(probe)
			cook(t, ca)
			ca.Check()
			require.NotEmpty(t, probe.said)
		})
	}
}

type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) { r.said = append(r.said, format) }

func mustKey(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// The goal is under a millisecond. The floor is what no CA can do without: four P-256 keys, the
// signatures of root, intermediate, CSR and leaf, and the checks of them.
func BenchmarkNewAndFirstLeaf(b *testing.B) {
	for b.Loop() {
		authoritytest.New(b).Leaf("db.internal")
	}
}

func BenchmarkFloor(b *testing.B) {
	for b.Loop() {
		var k *ecdsa.PrivateKey
		for range 4 {
			k = mustKey(b)
		}
		for range 4 {
			sig, err := ecdsa.SignASN1(rand.Reader, k, make([]byte, 32))
			if err != nil || !ecdsa.VerifyASN1(&k.PublicKey, make([]byte, 32), sig) {
				b.Fatal("floor")
			}
		}
	}
}
