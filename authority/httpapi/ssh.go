package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca"
)

type sshSignRequest struct {
	PublicKey        []byte          `json:"publicKey"` // in wire form, base64 in JSON, as all keys and certificates
	OTT              string          `json:"ott"`
	CertType         string          `json:"certType"`
	KeyID            string          `json:"keyID"`
	Principals       []string        `json:"principals"`
	ValidAfter       string          `json:"validAfter"`
	ValidBefore      string          `json:"validBefore"`
	AddUserPublicKey []byte          `json:"addUserPublicKey"`
	IdentityCSR      string          `json:"identityCSR"`
	TemplateData     json.RawMessage `json:"templateData"`
}

func (a *api) sshSign(c *call) error {
	var body sshSignRequest
	if err := a.decode(c, &body); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	return a.issueSSH(c, req)
}

func (b *sshSignRequest) request() (*authority.SSHRequest, error) {
	if b.OTT == "" {
		return nil, badRequest("ott", "missing ott")
	}
	key, err := sshKey(b.PublicKey)
	if err != nil {
		return nil, err
	}
	t, ok := provisioner.ParseSSHType(b.CertType)
	if !ok {
		return nil, badRequest("cert-type", "certType is neither user nor host")
	}
	for _, p := range b.Principals {
		if p == "" {
			return nil, badRequest("principals", "a principal is empty")
		}
	}
	req := &authority.SSHRequest{Token: b.OTT, Key: key, Type: t, KeyID: b.KeyID, Principals: b.Principals}
	if req.ValidAfter, err = authority.ParseWhen(b.ValidAfter); err != nil {
		return nil, badRequest("valid-after", "validAfter is neither an RFC 3339 time nor a duration")
	}
	if req.ValidBefore, err = authority.ParseWhen(b.ValidBefore); err != nil {
		return nil, badRequest("valid-before", "validBefore is neither an RFC 3339 time nor a duration")
	}
	if len(b.TemplateData) > 0 && json.Unmarshal(b.TemplateData, &req.UserData) != nil {
		return nil, badRequest("template-data", "templateData is not an object")
	}
	if len(b.AddUserPublicKey) > 0 {
		if req.AddUser, err = sshKey(b.AddUserPublicKey); err != nil {
			return nil, err
		}
	}
	if b.IdentityCSR != "" {
		if req.Identity, err = parseCSR(b.IdentityCSR); err != nil {
			return nil, err
		}
	}
	return req, nil
}

func sshKey(wire []byte) (ssh.PublicKey, error) {
	if len(wire) == 0 {
		return nil, badRequest("public-key", "missing publicKey")
	}
	k, err := sshca.ParseKey(wire)
	if err != nil {
		return nil, badRequest("public-key", "publicKey is not an SSH public key in wire form")
	}
	return k, nil
}

// sshRenew has a certificate again, and sshRekey the same with another key. Both act on the certificate
// that their token carries.
func (a *api) sshRenew(c *call) error {
	var body struct {
		OTT string `json:"ott"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	if body.OTT == "" {
		return badRequest("ott", "missing ott")
	}
	return a.issueSSH(c, &authority.SSHRequest{Token: body.OTT})
}

func (a *api) sshRekey(c *call) error {
	var body struct {
		OTT       string `json:"ott"`
		PublicKey []byte `json:"publicKey"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	if body.OTT == "" {
		return badRequest("ott", "missing ott")
	}
	key, err := sshKey(body.PublicKey)
	if err != nil {
		return err
	}
	return a.issueSSH(c, &authority.SSHRequest{Token: body.OTT, Key: key})
}

// issueSSH sends the request through the pipeline, as the operation that the route declares, and answers
// with what came out.
func (a *api) issueSSH(c *call, req *authority.SSHRequest) error {
	if !c.endpoint.Auth.token() {
		return errUndeclared
	}
	req.Operation, req.RequestID = c.endpoint.Operation, c.id
	cert, err := a.ca.IssueSSH(c.r.Context(), req)
	if err != nil {
		return err
	}
	if cert == nil || cert.Certificate == nil {
		return &authority.Error{Kind: authority.Internal, Code: "internal", Reason: "no certificate came out"}
	}
	if cert.Record != nil {
		c.serial, c.provisioner = string(cert.Record.Serial), cert.Record.Provisioner
	}
	buf := a.buffers.Get().(*[]byte)
	defer a.release(buf)
	*buf = appendSSHCertificate((*buf)[:0], cert)
	c.json(http.StatusCreated, *buf)
	return nil
}

// appendSSHCertificate appends the answer to sign, renew and rekey. What is in it needs no escaping.
func appendSSHCertificate(b []byte, cert *authority.SSHCertificate) []byte {
	b = append(b, `{"crt":"`...)
	b = base64.StdEncoding.AppendEncode(b, cert.Certificate.Marshal())
	b = append(b, '"')
	if cert.AddUser != nil {
		b = append(b, `,"addUserCrt":"`...)
		b = base64.StdEncoding.AppendEncode(b, cert.AddUser.Marshal())
		b = append(b, '"')
	}
	if cert.Identity != nil {
		b = append(b, `,"identityCrt":[`...)
		for i, crt := range cert.Identity.Chain {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(appendPEM(b, crt.Raw, `\n`), '"')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (a *api) sshRoots(c *call) error { return a.sshKeys(c, a.ca.SSHKeys(), authority.SSHKeys{}) }

func (a *api) sshFederation(c *call) error {
	return a.sshKeys(c, a.ca.SSHKeys(), a.ca.FederatedSSHKeys())
}

var errNoSSH = &authority.Error{Kind: authority.NotFound, Code: "ssh", Reason: "this authority has no SSH keys"}

// sshKeys answers with the keys to be trusted.
func (a *api) sshKeys(c *call, own, more authority.SSHKeys) error {
	if err := a.empty(c); err != nil {
		return err
	}
	wire := func(lists ...[]ssh.PublicKey) (out [][]byte) {
		for _, l := range lists {
			for _, k := range l {
				out = append(out, k.Marshal())
			}
		}
		return out
	}
	answer := struct {
		User [][]byte `json:"userKey,omitempty"`
		Host [][]byte `json:"hostKey,omitempty"`
	}{wire(own.User, more.User), wire(own.Host, more.Host)}
	if len(answer.User)+len(answer.Host) == 0 {
		return errNoSSH
	}
	c.json(http.StatusOK, mustJSON(answer))
	return nil
}
