package ocsp_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"

	oracle "golang.org/x/crypto/ocsp"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/ocsp"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// A CA with a responder under /ocsp, and a client that asks about a certificate before and after it is
// revoked.
func Example() {
	ctx := context.Background()
	key := kms.FromCrypto(must(kms.Generate(kms.ECDSAP256)))
	root := must(authority.SelfSign(ctx, authority.Root{Subject: pkix.Name{CommonName: "My Root"}}, key))
	ca := must(authority.New(authority.Config{
		Roots: []*x509.Certificate{root},
		Issuers: []authority.Issuer{{
			Name: "root", Chain: []*x509.Certificate{root}, Signer: key,
			Pointers: authority.Pointers{OCSPServers: []string{"http://ca.internal/ocsp"}},
		}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "us", AnyName: true}},
		Store:        authority.NewMemory(),
	}))
	responder := must(ocsp.New(ca, ocsp.Options{}))
	server := responder.Handler("/ocsp", http.NotFoundHandler()) // and go responder.Run(ctx), or an errgroup

	csr := must(authority.NewRequest(must(kms.Generate(kms.ECDSAP256)), "", provisioner.ParseNames([]string{"db.internal"})))
	leaf := must(ca.Issue(ctx, &authority.Request{Provisioner: "us", Local: true, CSR: csr})).Leaf
	ask := func() string {
		question := must(oracle.CreateRequest(leaf, root, &oracle.RequestOptions{Hash: crypto.SHA256}))
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest("GET", "/ocsp/"+base64.StdEncoding.EncodeToString(question), nil))
		answer := must(oracle.ParseResponseForCert(w.Body.Bytes(), leaf, root))
		return map[int]string{oracle.Good: "good", oracle.Revoked: "revoked"}[answer.Status]
	}
	fmt.Println(leaf.OCSPServer, ask())
	must(ca.Revoke(ctx, &authority.RevokeRequest{Serial: authority.SerialOf(leaf.SerialNumber), Local: true}))
	fmt.Println(ask())
	// Output:
	// [http://ca.internal/ocsp] good
	// revoked
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
