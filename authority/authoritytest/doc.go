// Package authoritytest makes throwaway certificate authorities for unit tests: in memory, without a
// file, a socket or a goroutine, in well under a millisecond.
//
//	ca := authoritytest.New(t)
//	srv.TLS = ca.ServerTLS("db.internal")
//	client.TLSClientConfig = ca.ClientTLS("alice@example.com")
//
// It is the real thing: a root and an intermediate, and every good certificate goes through the
// authority's pipeline. Beside them it makes the certificates that a program must refuse: [CA.Expired],
// [CA.NotYetValid], [CA.WrongUsage], [CA.Revoked], [CA.Stranger] and so on. The whole HTTP API answers
// in process ([CA.HTTP]), faults can be injected at every step of the pipeline ([Faults]), and [CA.Check]
// proves that the store still tells the truth afterwards.
//
// It works inside a testing/synctest bubble: make the CA inside it, and move its clock by sleeping.
package authoritytest
