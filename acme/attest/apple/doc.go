// Package apple is the attestation statement of Apple's managed devices, fmt "apple": a certificate for the attested key
// that says which device holds it, and for which challenge it was made.
package apple
