// Package crltest says whether the CRLs of an authority tell the truth: [Verify] as the store sees it, [Rely]
// as those do who rely on a certificate.
package crltest
