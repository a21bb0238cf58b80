package snippet

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca"
)

// Keys are the public keys of the CAs: one's own, the one that signs now first, and those of others.
type Keys = sshca.Keys

// DataError is about a variable of the client that no file can hold.
type DataError struct{ Variable, Reason string }

func (e *DataError) Error() string {
	if e.Variable == "" {
		return "snippet: " + e.Reason
	}
	return fmt.Sprintf("snippet: the variable %.60q %s", e.Variable, e.Reason)
}

// The limits of what a client may send.
const (
	maxVariables = 100
	maxName      = 128     // bytes
	maxValue     = 4 << 10 // bytes
)

// checkData refuses what is too much, and characters that could begin a line of a file or end it.
func checkData(data map[string]string) error {
	if len(data) > maxVariables {
		return &DataError{"", fmt.Sprintf("%d variables, more than %d", len(data), maxVariables)}
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		switch value := data[name]; {
		case len(name) > maxName:
			return &DataError{name, "has too long a name"}
		case !plainText(name):
			return &DataError{name, "has a control character in its name"}
		case len(value) > maxValue:
			return &DataError{name, fmt.Sprintf("is longer than %d bytes", maxValue)}
		case !plainText(value):
			return &DataError{name, "has a line break, another control character, or is not UTF-8"}
		}
	}
	return nil
}

func plainText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			return false
		}
	}
	return true
}

// stepVars is what templates see as .Step.
type stepVars struct {
	SSH struct {
		HostKey, UserKey                     any // a publicKey, or nil
		HostFederatedKeys, UserFederatedKeys []publicKey
	}
}

func stepOf(keys Keys) (v stepVars) {
	v.SSH.HostKey, v.SSH.HostFederatedKeys = split(keys.Host, keys.FederatedHost)
	v.SSH.UserKey, v.SSH.UserFederatedKeys = split(keys.User, keys.FederatedUser)
	return v
}

// publicKey shows templates what they need of a key, and nothing that could be changed.
type publicKey struct {
	typ  string
	wire []byte
}

func (k publicKey) Type() string    { return k.typ }
func (k publicKey) Marshal() []byte { return bytes.Clone(k.wire) }

// split returns the first key, and all others once.
func split(own, federated []ssh.PublicKey) (first any, others []publicKey) {
	var all []publicKey
	for _, k := range slices.Concat(own, federated) {
		wire := k.Marshal()
		if !slices.ContainsFunc(all, func(o publicKey) bool { return bytes.Equal(o.wire, wire) }) {
			all = append(all, publicKey{k.Type(), wire})
		}
	}
	if len(own) == 0 {
		return nil, all
	}
	return all[0], all[1:]
}
