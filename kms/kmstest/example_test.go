package kmstest_test

import (
	"context"
	"fmt"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/kmstest"
)

func ExampleFlaky() {
	key, err := kms.Generate(kms.Ed25519)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &kmstest.Flaky{Signer: kms.FromCrypto(key), Faults: func(n int) kmstest.Fault {
		if n == 1 {
			return kmstest.Lose
		}
		return kmstest.None
	}}
	fmt.Println(kms.SelfTest(context.Background(), s))
	fmt.Println(kms.SelfTest(context.Background(), s))
	fmt.Println(s.Calls())
	// Output:
	// kms: self-test: signing: kmstest: injected failure
	// <nil>
	// 2 2
}
