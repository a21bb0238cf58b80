package x5c_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/x5c"
)

// machineCA makes a CA and one certificate under it.
func machineCA() (root, leaf *x509.Certificate, leafKey *ecdsa.PrivateKey, err error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	if leafKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Machines"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	machine := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "vm-17"}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, rootKey.Public(), rootKey)
	if err != nil {
		return nil, nil, nil, err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return nil, nil, nil, err
	}
	if der, err = x509.CreateCertificate(rand.Reader, machine, root, leafKey.Public(), rootKey); err != nil {
		return nil, nil, nil, err
	}
	leaf, err = x509.ParseCertificate(der)
	return root, leaf, leafKey, err
}

func Example() {
	root, leaf, key, err := machineCA()
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := x5c.New(x5c.Config{Name: "machines", Roots: []*x509.Certificate{root}})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := x5c.NewSigner("machines", []*x509.Certificate{leaf}, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := signer.Sign(provisioner.Ticket{Audience: "https://ca.internal/1.0/sign", Subject: "db.internal"})
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := p.Authorize(context.Background(), &provisioner.Request{
		Operation: provisioner.X509Sign, Token: token, CSR: new(x509.CertificateRequest),
		Audiences: []string{"https://ca.internal/1.0/sign"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Names.Strings(), "asked for by", g.Certificate.Subject.CommonName, g.Validity.NotAfter.Equal(leaf.NotAfter))
	// Output: [db.internal] asked for by vm-17 true
}
