// Package yubikey is the attestation statement of YubiKeys' PIV slots, fmt "step", as the step CLI makes it: a certificate
// for the key in the slot, signed by the device's own key, and a signature by the attested key over the challenge.
package yubikey
