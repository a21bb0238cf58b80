package kms_test

import (
	"context"
	"fmt"

	"github.com/chancery-ca/chancery/kms"
)

func Example() {
	ctx := context.Background()
	var keys kms.Memory
	defer keys.Close()

	s, err := keys.CreateKey(ctx, "issuing", kms.ECDSAP384)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := kms.SelfTest(ctx, s); err != nil {
		fmt.Println(err)
		return
	}
	alg, hash, err := kms.SignatureAlgorithm(s.Public())
	fmt.Println(alg, hash, err)

	_, err = keys.CreateKey(ctx, "issuing", kms.Ed25519)
	fmt.Println(err)
	// Output:
	// ECDSA-SHA384 SHA-384 <nil>
	// kms: "issuing": kms: key exists
}
