package server

import (
	"net/http"
)

// directoryJSON is the directory object (RFC 8555, section 7.1.1).
type directoryJSON struct {
	NewNonce    string    `json:"newNonce"`
	NewAccount  string    `json:"newAccount"`
	NewOrder    string    `json:"newOrder"`
	RevokeCert  string    `json:"revokeCert"`
	KeyChange   string    `json:"keyChange"`
	RenewalInfo string    `json:"renewalInfo"` // RFC 9773
	Meta        *metaJSON `json:"meta,omitempty"`
}

type metaJSON struct {
	TermsOfService string            `json:"termsOfService,omitempty"`
	Website        string            `json:"website,omitempty"`
	CAA            []string          `json:"caaIdentities,omitempty"`
	External       bool              `json:"externalAccountRequired,omitempty"`
	Profiles       map[string]string `json:"profiles,omitempty"`
}

func (c *call) directory() error {
	f := &c.s.c
	d := directoryJSON{
		NewNonce: c.link("new-nonce"), NewAccount: c.link("new-account"), NewOrder: c.link("new-order"),
		RevokeCert: c.link("revoke-cert"), KeyChange: c.link("key-change"), RenewalInfo: c.link("renewal-info"),
	}
	if f.TermsOfService != "" || f.Website != "" || len(f.CAA) > 0 || f.RequireExternalKey || len(f.Profiles) > 0 {
		d.Meta = &metaJSON{f.TermsOfService, f.Website, f.CAA, f.RequireExternalKey, f.Profiles}
	}
	return c.answer(http.StatusOK, d)
}

// newNonce answers HEAD with 200 and GET with 204 (RFC 8555, section 7.2).
func (c *call) newNonce() error {
	status := http.StatusOK
	if c.r.Method == http.MethodGet {
		status = http.StatusNoContent
	}
	c.write(status, "", nil)
	return nil
}
