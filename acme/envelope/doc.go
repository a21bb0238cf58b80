// Package envelope reads the signed requests of ACME (RFC 8555, section 6): what a server can decide about one
// before it asks its store, and with [Nonces] what it must ask the store about every one.
//
// A request goes one way, and the types hold it to that way:
//
//	r, err := envelope.Parse(body, url) // form, algorithm, key or account, and the URL it was sent to
//	err = nonces.Check(r)               // ours, and young enough: costs no row and no signature
//	m, err := r.Verify(accountKey)      // the signature; nil for requests that bring their key
//	id, until, err := nonces.Ticket(m)  // what the store spends: once only, on any node
//	err = m.Decode(&payload)
//
// The payload is out of reach before the signature was verified, and only a verified request spends a nonce: so
// nobody can fill the table of spent ones, or use up somebody else's, without a key and a signature each. Whether
// a request may bring its own key, and what an account may do, is the caller's to say.
//
// What a message may look like is narrower than what general libraries read: one spelling of base64url, each
// member of an object once and by its exact name, at any depth, in valid UTF-8, within limits of size and depth. Members
// that mean nothing here are ignored, as RFC 7515, section 4, and RFC 8555, section 7, want it; those that would
// bring a key, fetch one, or change the meaning of the rest are refused. So whatever is accepted here means the same
// to every other reader.
//
// Refusals are of type [*acme.Problem], quote nothing of what was sent, and are fit to be sent. Other errors are
// faults of this side.
package envelope
