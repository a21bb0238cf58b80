package server_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

// good are the requests of a provisioner whose certificates are renewed, rekeyed and revoked by whoever has them. That
// it signs for orders cannot be asked for from outside.
func good(t *testing.T) map[provisioner.Operation]func() *provisioner.Request {
	good := provisionertest.OneTime(t, func(provisioner.Ticket) (string, error) { return "", nil })
	for _, op := range []provisioner.Operation{provisioner.X509Sign, provisioner.SSHSign, provisioner.SSHRevoke} {
		delete(good, op)
	}
	renew, revoke := good[provisioner.X509Renew], good[provisioner.X509Revoke]
	good[provisioner.X509Revoke] = func() *provisioner.Request {
		r := revoke()
		r.Certificate, r.Proof = renew().Certificate, provisioner.TLSProof
		r.Serial = r.Certificate.SerialNumber.Text(16)
		return r
	}
	return good
}

func newServer(t *testing.T, renewal provisioner.Renewal) *server.Server {
	t.Helper()
	s, err := server.New(server.Config{Validators: []acme.Validator{&told{kind: acme.HTTP01}}, Renewal: renewal})
	require.NoError(t, err)
	return s
}

func TestProvisioner(t *testing.T) {
	provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
		return provisionertest.Harness{
			Provisioner: newServer(t, provisioner.Renewal{}),
			Good:        good(t),
			WithRenewal: func(r provisioner.Renewal) provisioner.Provisioner { return newServer(t, r) },
		}
	})
}

// TestProvisionerRefusesTokens: no token is anything to an ACME provisioner, whatever is asked for and whatever else is
// sent along.
func TestProvisionerRefusesTokens(t *testing.T) {
	s, requests := newServer(t, provisioner.Renewal{AfterExpiry: true}), good(t)
	csr := provisionertest.NewCSR(t, "db.example.com", "db.example.com")
	for _, op := range append(provisioner.Operations(), "", "x509/unheard-of") {
		for _, token := range []string{
			"a.b.c", "..", ".", "acme", "00000000000000000000000000", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhY21lIiwic3ViIjoiZGIuZXhhbXBsZS5jb20ifQ.",
		} {
			for from, request := range requests {
				r := request()
				r.Operation, r.Token, r.CSR = op, token, csr
				for _, local := range []bool{false, true} {
					r.Local = local
					g, err := s.Authorize(t.Context(), r)
					require.Error(t, err, "%s with a token, asked like %s, local %t", op, from, local)
					require.Nil(t, g)
				}
			}
		}
	}
	r := &provisioner.Request{Operation: provisioner.X509Sign, CSR: csr, Local: true}
	_, err := s.Authorize(t.Context(), r)
	require.Error(t, err, "nor does a CSR alone")
}
