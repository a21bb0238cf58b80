package httpapi

import (
	"net/http"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

type revokeRequest struct {
	Serial     string `json:"serial"`
	OTT        string `json:"ott"`
	ReasonCode int    `json:"reasonCode"`
	Reason     string `json:"reason"`
	Passive    bool   `json:"passive"`
}

// revokeReason is how long the free text of a revocation may be, in bytes: it is kept in the store.
const revokeReason = 1 << 10

func (a *api) revoke(c *call) error {
	var body revokeRequest
	if err := a.decode(c, &body); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	c.serial = string(req.Serial)
	if req.Operation = c.endpoint.Operation; req.Token == "" {
		if err := a.possess(c, req); err != nil {
			return err
		}
	}
	req.RequestID = c.id
	v, err := a.ca.Revoke(c.r.Context(), req)
	if err != nil {
		return err
	}
	if v == nil {
		return &authority.Error{Kind: authority.Internal, Code: "internal", Reason: "no revocation came out"}
	}
	c.provisioner = v.Provisioner
	c.json(http.StatusOK, []byte(`{"status":"ok"}`))
	return nil
}

func (b *revokeRequest) request() (*authority.RevokeRequest, error) {
	serial, err := authority.ParseSerial(b.Serial)
	// RFC 5280, section 5.3.1: 7 is not used, and 8 takes entries off a CRL.
	switch {
	case err != nil:
		return nil, badRequest("serial", "missing or invalid serial: decimal, or hexadecimal behind 0x")
	case b.ReasonCode < 0 || b.ReasonCode > 10 || b.ReasonCode == 7 || b.ReasonCode == 8:
		return nil, badRequest("reason-code", "reasonCode is none of 0 to 6, 9 and 10")
	case len(b.Reason) > revokeReason:
		return nil, badRequest("reason", "reason is too long")
	case !b.Passive:
		return nil, &authority.Error{Kind: authority.Unsupported, Code: "active-revocation", Reason: "only passive revocation is implemented"}
	}
	return &authority.RevokeRequest{Serial: serial, Token: b.OTT, ReasonCode: b.ReasonCode, Reason: b.Reason}, nil
}

// possess makes req one of the holder of a certificate, who may revoke that one and no other.
func (a *api) possess(c *call, req *authority.RevokeRequest) error {
	peer, err := a.peer(c)
	switch {
	case err != nil:
		return err
	case !c.endpoint.Auth.certificate():
		return badRequest("ott", "missing ott")
	case peer == nil:
		return badRequest("credential", "missing ott or client certificate")
	case authority.SerialOf(peer.SerialNumber) != req.Serial:
		return &authority.Error{Kind: authority.Denied, Code: "serial", Reason: "the client certificate has another serial"}
	}
	req.Certificate, req.Proof = peer, provisioner.TLSProof
	return nil
}
