// Package provisionertest says what it means to be a provisioner, as a suite that any implementation
// runs in one line:
//
//	provisionertest.Run(t, func(t *testing.T) provisionertest.Harness { … })
//
// Most of it tries to get in: it takes good requests apart and puts them together wrongly, in every way
// in which tokens are known to be forged, and expects a [provisioner.Refusal] and nothing else each time.
package provisionertest
