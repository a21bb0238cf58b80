package httpapi

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

type signRequest struct {
	CSR          string          `json:"csr"`
	OTT          string          `json:"ott"`
	NotBefore    string          `json:"notBefore"`
	NotAfter     string          `json:"notAfter"`
	TemplateData json.RawMessage `json:"templateData"` // raw, so that of repeated ones the last counts
}

func (a *api) sign(c *call) error {
	req, err := a.signRequest(c)
	if err != nil {
		return err
	}
	return a.issue(c, req)
}

func (a *api) signRequest(c *call) (*authority.Request, error) {
	var body signRequest
	if err := a.decode(c, &body); err != nil {
		return nil, err
	}
	return body.request()
}

func (b *signRequest) request() (*authority.Request, error) {
	if b.OTT == "" {
		return nil, badRequest("ott", "missing ott")
	}
	csr, err := parseCSR(b.CSR)
	if err != nil {
		return nil, err
	}
	req := &authority.Request{Token: b.OTT, CSR: csr}
	if req.NotBefore, err = authority.ParseWhen(b.NotBefore); err != nil {
		return nil, badRequest("not-before", "notBefore is neither an RFC 3339 time nor a duration")
	}
	if req.NotAfter, err = authority.ParseWhen(b.NotAfter); err != nil {
		return nil, badRequest("not-after", "notAfter is neither an RFC 3339 time nor a duration")
	}
	if len(b.TemplateData) > 0 && json.Unmarshal(b.TemplateData, &req.UserData) != nil {
		return nil, badRequest("template-data", "templateData is not an object")
	}
	return req, nil
}

// renew acts on the certificate of the connection; only where there is none is the token looked at.
func (a *api) renew(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	peer, err := a.peer(c)
	if err != nil {
		return err
	}
	if peer != nil {
		return a.issue(c, &authority.Request{Certificate: peer, Proof: provisioner.TLSProof})
	}
	token := bearer(c.r.Header)
	if token == "" {
		return badRequest("credential", "missing client certificate or token")
	}
	return a.issue(c, &authority.Request{Token: token})
}

func (a *api) rekey(c *call) error {
	peer, err := a.peer(c)
	if err != nil {
		return err
	}
	if peer == nil {
		return badRequest("credential", "missing client certificate")
	}
	var body struct {
		CSR string `json:"csr"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	csr, err := parseCSR(body.CSR)
	if err != nil {
		return err
	}
	return a.issue(c, &authority.Request{CSR: csr, Certificate: peer, Proof: provisioner.TLSProof})
}

// issue sends the request through the pipeline, as the operation that the route declares and with no
// credential that it does not, and answers with what came out.
func (a *api) issue(c *call, req *authority.Request) error {
	if (req.Token != "" && !c.endpoint.Auth.token()) || (req.Certificate != nil && !c.endpoint.Auth.certificate()) {
		return errUndeclared
	}
	req.Operation = c.endpoint.Operation
	req.RequestID = c.id
	cert, err := a.ca.Issue(c.r.Context(), req)
	if err != nil {
		return err
	}
	if cert == nil || cert.Leaf == nil {
		return &authority.Error{Kind: authority.Internal, Code: "internal", Reason: "no certificate came out"}
	}
	c.serial = string(authority.SerialOf(cert.Leaf.SerialNumber))
	if cert.Record != nil {
		c.provisioner = cert.Record.Provisioner
	}
	buf := a.buffers.Get().(*[]byte)
	defer a.release(buf)
	*buf = a.appendCertificate((*buf)[:0], cert)
	c.answer(http.StatusCreated, "application/json", *buf)
	return nil
}

// errUndeclared is the fault of a handler that would use a credential its route does not declare.
var errUndeclared = &authority.Error{Kind: authority.Internal, Code: "route", Reason: "credential is not declared for the route"}

// parseCSR reads one certificate request in PEM, and nothing behind it. Its signature is verified in
// the pipeline.
func parseCSR(s string) (*x509.CertificateRequest, error) {
	if s == "" {
		return nil, badRequest("csr", "missing csr")
	}
	block, rest := pem.Decode([]byte(s))
	switch {
	case block == nil || (block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST"):
		return nil, badRequest("csr", "csr is not a PEM certificate request")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, badRequest("csr", "csr is followed by something else")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, badRequest("csr", "csr cannot be parsed")
	}
	return csr, nil
}

// appendCertificate appends the answer to sign, renew and rekey, with its newline. What is in it needs
// no escaping but for newlines, so no general encoder is asked.
func (a *api) appendCertificate(b []byte, cert *authority.Certificate) []byte {
	chain := cert.Chain
	if len(chain) == 0 {
		chain = []*x509.Certificate{cert.Leaf}
	}
	b = append(b, `{"crt":"`...)
	b = appendPEM(b, cert.Leaf.Raw, `\n`)
	b = append(b, `","ca":"`...)
	if len(chain) > 1 {
		b = appendPEM(b, chain[1].Raw, `\n`)
	}
	b = append(b, `","certChain":[`...)
	for i, crt := range chain {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = appendPEM(b, crt.Raw, `\n`)
		b = append(b, '"')
	}
	b = append(b, `],"tlsOptions":`...)
	b = append(b, a.tls...)
	return append(b, '}', '\n')
}

// appendPEM appends a certificate in PEM with the given spelling of a line's end.
func appendPEM(b, der []byte, eol string) []byte {
	b = append(b, "-----BEGIN CERTIFICATE-----"...)
	b = append(b, eol...)
	for len(der) > 0 {
		n := min(48, len(der)) // 64 characters
		b = base64.StdEncoding.AppendEncode(b, der[:n])
		b = append(b, eol...)
		der = der[n:]
	}
	b = append(b, "-----END CERTIFICATE-----"...)
	return append(b, eol...)
}
