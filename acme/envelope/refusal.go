package envelope

import (
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/acme"
)

func refuse(t acme.ProblemType, format string, args ...any) *acme.Problem {
	return &acme.Problem{Type: t, Detail: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) *acme.Problem {
	return refuse(acme.Malformed, format, args...)
}

// badAlgorithm names what would do instead, as RFC 8555, section 6.2, wants it.
func badAlgorithm(detail string, instead []jose.SignatureAlgorithm) *acme.Problem {
	p := refuse(acme.BadSignatureAlgorithm, "%s", detail)
	for _, a := range instead {
		p.Algorithms = append(p.Algorithms, string(a))
	}
	return p
}
