package authority

import (
	"crypto/x509"
	"time"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// provenBy reads a renew token: the certificate that made it, and what is spent when it is honoured.
func (s *snapshot) provenBy(token string, audiences []string, now time.Time) (*x509.Certificate, provisioner.Spend, *Error) {
	var above []*x509.Certificate
	for _, i := range s.issuers {
		above = append(above, i.chain...)
	}
	t, err := jws.ParseRenewToken(token, s.Roots, above, audiences, now)
	if err != nil {
		return nil, provisioner.Spend{}, refusedBy(err)
	}
	return t.Certificate, provisioner.Spend{ID: t.ID, Until: t.Expires}, nil
}
