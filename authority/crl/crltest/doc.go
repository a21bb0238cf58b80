// Package crltest says whether the CRLs in an authority's store tell the truth.
package crltest
