package template

import (
	"fmt"
	"maps"
	"slices"
)

// SSHRequested is step's for those who may have any certificate (its admin and certificate-request
// templates): type, key id and principals are the request's, and a user's extensions and options those of
// the data.
func SSHRequested() *SSH {
	return NewSSH("ssh-requested", func(d *SSHData) (*SSHCertificate, error) {
		c := &SSHCertificate{Type: d.CR.Type, KeyID: d.CR.KeyID, Principals: slices.Clone(d.CR.Principals)}
		switch c.Type {
		case "user":
			c.CriticalOptions, c.Extensions = maps.Clone(d.CriticalOptions), maps.Clone(d.Extensions)
		case "host":
		default:
			return nil, &RenderError{Field: "type", Err: fmt.Errorf("the request's %.60q is neither user nor host", c.Type)}
		}
		return c, nil
	})
}

// SSHInstance is step's for machines of a cloud: what was granted, with the principals of the request if
// it has any. It has no critical options.
func SSHInstance() *SSH {
	return NewSSH("ssh-instance", func(d *SSHData) (*SSHCertificate, error) {
		c := &SSHCertificate{Type: d.Type, KeyID: d.KeyID, Principals: slices.Clone(d.Principals), Extensions: maps.Clone(d.Extensions)}
		if len(d.CR.Principals) > 0 {
			c.Principals = slices.Clone(d.CR.Principals)
		}
		return c, nil
	})
}
