package sshca

import "golang.org/x/crypto/ssh"

// Keys are what clients and hosts have to know of a CA: its keys, those that sign first, and the keys of
// other CAs that they are told of as well.
type Keys struct {
	User, Host                   []ssh.PublicKey
	FederatedUser, FederatedHost []ssh.PublicKey
}

// A Snippet is a file, or a part of one, that a client or a host needs. Package snippet renders them. Its JSON
// is that of step's API.
type Snippet struct {
	Name    string `json:"name"`
	Type    string `json:"type"`    // what the client does with it, in step's words: "file", "snippet", "prepend-line" or "directory"
	Path    string `json:"path"`    // where; may begin with a tilde
	Comment string `json:"comment"` // what comments begin with in the file
	Content []byte `json:"content"`
}
