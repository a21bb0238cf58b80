package jws

import (
	"errors"

	"github.com/chancery-ca/chancery/provisioner"
)

// Refusal makes a refusal of an error of this package.
func Refusal(err error) *provisioner.Refusal {
	r := &provisioner.Refusal{Kind: provisioner.Unauthenticated, Code: "token", Reason: "token is not acceptable", Err: err}
	switch {
	case errors.Is(err, ErrAlgorithm):
		r.Code, r.Reason = "algorithm", "token is signed with an algorithm that is not one of the key's"
	case errors.Is(err, ErrSignature):
		r.Code, r.Reason = "signature", "token's signature does not match"
	case errors.Is(err, ErrChain):
		r.Code, r.Reason = "chain", "token's certificate is not acceptable"
	}
	return r
}
