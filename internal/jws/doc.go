// Package jws verifies compact JSON Web Signatures (RFC 7515, section 7.1) where a certificate depends
// on the answer. It is stricter than a general library: the caller names the algorithms, a token has one
// spelling (no white space, no padding, no spare bits), header fields that bring their own key or change
// the meaning of the rest are refused, and a payload is out of reach until its signature was verified.
package jws
