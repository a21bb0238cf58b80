// Package tpm is the attestation statement of TPM 2.0, fmt "tpm": the TPM's attestation key, for which a certificate
// vouches, certifies the key that the certificate is to be for (TPM2_Certify), over the challenge.
package tpm
