package krl_test

import (
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca/krl"
)

// A program in Go asks a list as sshd does.
func ExampleList_Revokes() {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUFFOTJ6xNeLKmWyOeSp5qMQqxFMFzCvLBXiTHbrs7P"))
	if err != nil {
		fmt.Println(err)
		return
	}
	list := &krl.List{Certificates: []krl.Certificates{{CA: key.Marshal(), Serials: krl.RangesOf([]uint64{7, 8, 9})}}}
	for _, serial := range []uint64{8, 10} {
		fmt.Println(serial, list.Revokes(&ssh.Certificate{Key: key, SignatureKey: key, Serial: serial}))
	}
	// Output:
	// 8 true
	// 10 false
}
