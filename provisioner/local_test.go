package provisioner_test

import (
	"context"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

func localHarness(t *testing.T, l provisioner.Local, names ...string) provisionertest.Harness {
	leaf := provisionertest.NewCA(t).Leaf(t, provisionertest.NewKey(t, jose.ES256), "db.internal", nil)
	csr := provisionertest.NewCSR(t, "db.internal", names...)
	key := provisionertest.NewSSHKey(t)
	request := func(op provisioner.Operation) *provisioner.Request {
		return &provisioner.Request{Operation: op, Local: op != provisioner.X509Renew && op != provisioner.X509Rekey}
	}
	renew := func(op provisioner.Operation) func() *provisioner.Request {
		return func() *provisioner.Request {
			r := request(op)
			r.Certificate, r.Proof = leaf, provisioner.TLSProof
			return r
		}
	}
	return provisionertest.Harness{
		Provisioner: &l,
		Good: map[provisioner.Operation]func() *provisioner.Request{
			provisioner.X509Sign: func() *provisioner.Request {
				r := request(provisioner.X509Sign)
				r.CSR = csr
				return r
			},
			provisioner.X509Renew: renew(provisioner.X509Renew),
			provisioner.X509Rekey: renew(provisioner.X509Rekey),
			provisioner.X509Revoke: func() *provisioner.Request {
				r := request(provisioner.X509Revoke)
				r.Serial = "1f"
				return r
			},
			provisioner.SSHSign: func() *provisioner.Request {
				r := request(provisioner.SSHSign)
				r.SSH = &provisioner.SSHRequest{Key: key, Type: provisioner.SSHHost, Principals: []string{"db.internal"}}
				return r
			},
			provisioner.SSHRevoke: func() *provisioner.Request {
				r := request(provisioner.SSHRevoke)
				r.Serial = "1f"
				return r
			},
		},
		WithRenewal: func(n provisioner.Renewal) provisioner.Provisioner {
			l := l
			l.Renewal = n
			return &l
		},
	}
}

func TestLocalConformance(t *testing.T) {
	t.Run("names", func(t *testing.T) {
		provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
			names := provisioner.ParseNames([]string{"db.internal", "cache.internal"})
			return localHarness(t, provisioner.Local{ID: "self", Names: names, Principals: []string{"db.internal"}}, "db.internal")
		})
	})
	t.Run("any name", func(t *testing.T) {
		provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
			h := localHarness(t, provisioner.Local{ID: "self", AnyName: true}, "db.internal", "192.0.2.1")
			h.AnyName = true
			return h
		})
	})
}

func TestLocalRevoke(t *testing.T) {
	leaf := provisionertest.NewCA(t).Leaf(t, provisionertest.NewKey(t, jose.ES256), "db.internal", nil)
	l := &provisioner.Local{ID: "self", AnyName: true}
	r := &provisioner.Request{Operation: provisioner.X509Revoke, Certificate: leaf, Proof: provisioner.TLSProof, Serial: leaf.SerialNumber.Text(16)}
	g, err := l.Authorize(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, "db.internal", g.Subject)
	r.Serial = "1"
	_, err = l.Authorize(context.Background(), r)
	require.ErrorIs(t, err, provisioner.NotAllowed, "one's own certificate, not another")
	r.Certificate = nil
	_, err = l.Authorize(context.Background(), r)
	require.ErrorIs(t, err, provisioner.Unauthenticated)
}

func TestLocalGrantsNothingByDefault(t *testing.T) {
	l := &provisioner.Local{ID: "self"}
	_, err := l.Authorize(context.Background(), &provisioner.Request{
		Operation: provisioner.X509Sign, Local: true, CSR: provisionertest.NewCSR(t, "", "db.internal"),
	})
	require.ErrorIs(t, err, provisioner.NotAllowed)
}

func TestFuncConformance(t *testing.T) {
	provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
		h := localHarness(t, provisioner.Local{}, "db.internal")
		renewal := provisioner.Renewal{}
		h.Provisioner = provisioner.Func("fixed", func(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
			switch r.Operation {
			case provisioner.X509Sign:
				if !r.Local {
					return nil, provisioner.Refuse(provisioner.Unauthenticated, "local", "not from here")
				}
			case provisioner.X509Renew:
				if err := renewal.Check(r); err != nil {
					return nil, err
				}
			default:
				return nil, provisioner.Refuse(provisioner.NotAllowed, "operation", "no")
			}
			return &provisioner.Grant{Subject: "db", Names: provisioner.Names{DNS: []string{"db.internal"}}}, nil
		})
		delete(h.Good, provisioner.X509Rekey)
		delete(h.Good, provisioner.X509Revoke)
		delete(h.Good, provisioner.SSHSign)
		delete(h.Good, provisioner.SSHRevoke)
		h.WithRenewal = nil
		return h
	})
}
