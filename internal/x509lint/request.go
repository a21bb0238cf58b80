package x509lint

import "crypto/x509"

// maxRequest is how large a CSR may be: enough for RSA-8192 and a few hundred names.
const maxRequest = 64 << 10

// RequestSignature refuses a CSR whose signature does not prove that the key is held. [RequestShape] has
// to come first: it bounds what verifying costs.
func RequestSignature(csr *x509.CertificateRequest) error {
	if err := csr.CheckSignature(); err != nil {
		return problem("csr-signature", "the CSR's signature does not verify")
	}
	return nil
}

// RequestShape refuses a CSR whose shape or key is bad. It verifies no signature.
func RequestShape(csr *x509.CertificateRequest) error {
	switch {
	case csr == nil || len(csr.Raw) == 0:
		return problem("csr-missing", "there is no CSR")
	case len(csr.Raw) > maxRequest:
		return problem("csr-too-large", "the CSR has %d bytes, at most %d are accepted", len(csr.Raw), maxRequest)
	case csr.Version != 0:
		return problem("csr-version", "the CSR's version is %d, not 0", csr.Version)
	case !goodSignature(csr.SignatureAlgorithm):
		return problem("csr-algorithm", "CSRs signed with %s are not accepted", csr.SignatureAlgorithm)
	}
	return PublicKey(csr.PublicKey)
}

func goodSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
		return true
	}
	return false
}
