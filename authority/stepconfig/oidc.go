package stepconfig

import (
	"maps"
	"slices"

	"github.com/chancery-ca/chancery/provisioner/oidc"
)

// oidcSpec is what an OIDC provisioner's section says.
type oidcSpec struct {
	*node
	config oidc.Config
}

func readOIDC(s *section) *oidcSpec {
	o := &oidcSpec{node: s.node, config: oidc.Config{
		ClientID: s.required("clientID"), ClientSecret: s.str("clientSecret"), ConfigurationEndpoint: s.required("configurationEndpoint"),
		TenantID: s.str("tenantID"), Admins: s.strings("admins"), Domains: s.strings("domains"), Groups: s.strings("groups"),
		ListenAddress: s.str("listenAddress"), Scopes: s.strings("scopes"), AuthParams: s.strings("authParams"),
	}}
	return o
}

// oidcRules are what chancery.json says about an OIDC provisioner.
type oidcRules struct {
	*node
	verified bool
	acr, amr []string
}

func readOIDCRules(s *section) *oidcRules {
	r := &oidcRules{node: s.node, verified: s.boolean("requireVerifiedEmail"), acr: s.strings("acr"), amr: s.strings("amr")}
	s.close()
	return r
}

func (f *File) oidc(p *spec, o Options, extra map[string]any) (*oidc.Provisioner, error) {
	c := p.oidc.config
	c.Name, c.Renewal, c.Extra, c.Client = p.name, p.limits.renewal(), maps.Clone(extra), o.OIDC
	if r := p.own.oidc; r != nil {
		c.RequireVerifiedEmail, c.ACR, c.AMR = r.verified, slices.Clone(r.acr), slices.Clone(r.amr)
	}
	return oidc.New(c)
}
