package stepconfig

import (
	"crypto/x509"
	"path/filepath"
)

// caJSON is a ca.json as step ca init writes it, member for member, so that step-ca starts from it too.
type caJSON struct {
	Root            string   `json:"root"`
	FederatedRoots  []string `json:"federatedRoots"`
	Crt             string   `json:"crt"`
	Key             string   `json:"key"`
	Address         string   `json:"address"`
	InsecureAddress string   `json:"insecureAddress"`
	DNSNames        []string `json:"dnsNames"`
	SSH             *sshJSON `json:"ssh,omitempty"`
	Logger          struct {
		Format string `json:"format"`
	} `json:"logger"`
	DB struct {
		Type                  string `json:"type"`
		DataSource            string `json:"dataSource"`
		BadgerFileLoadingMode string `json:"badgerFileLoadingMode"`
	} `json:"db"`
	Authority struct {
		Provisioners []any `json:"provisioners"`
	} `json:"authority"`
	CRL *crlJSON `json:"crl,omitempty"`
	TLS struct {
		CipherSuites  []string `json:"cipherSuites"`
		MinVersion    float64  `json:"minVersion"`
		MaxVersion    float64  `json:"maxVersion"`
		Renegotiation bool     `json:"renegotiation"`
	} `json:"tls"`
}

type sshJSON struct {
	HostKey string `json:"hostKey"`
	UserKey string `json:"userKey"`
}

type claimsJSON struct {
	EnableSSHCA bool `json:"enableSSHCA"`
}

type crlJSON struct {
	Enabled          bool `json:"enabled"`
	GenerateOnRevoke bool `json:"generateOnRevoke"`
}

// ownText is the chancery.json of a CA with a plain HTTP listener.
const ownText = `{
	"revocation": {
		"ocsp": true,
		"pointers": {}
	}
}
`

func (o *InitOptions) config(dir string, key any, encrypted string) *caJSON {
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	c := &caJSON{Root: at(rootFile), Crt: at(intermediateFile), Key: at(intermediateKey), Address: o.Address, InsecureAddress: o.HTTP, DNSNames: o.DNSNames}
	if o.HTTP != "" {
		c.CRL = &crlJSON{Enabled: true, GenerateOnRevoke: true}
	}
	c.Logger.Format = "json"
	c.DB.Type, c.DB.DataSource = "badgerv2", at("db")
	var claims *claimsJSON
	if o.SSH {
		c.SSH, claims = &sshJSON{at(sshHostKey), at(sshUserKey)}, &claimsJSON{true}
	}
	c.Authority.Provisioners = []any{struct {
		Type         string      `json:"type"`
		Name         string      `json:"name"`
		Key          any         `json:"key"`
		EncryptedKey string      `json:"encryptedKey"`
		Claims       *claimsJSON `json:"claims,omitempty"`
	}{"JWK", o.Provisioner, key, encrypted, claims}}
	if o.SSH {
		c.Authority.Provisioners = append(c.Authority.Provisioners, struct {
			Type   string      `json:"type"`
			Name   string      `json:"name"`
			Claims *claimsJSON `json:"claims"`
		}{"SSHPOP", "sshpop", claims})
	}
	if o.ACME != "" {
		c.Authority.Provisioners = append(c.Authority.Provisioners, map[string]string{"type": "ACME", "name": o.ACME})
	}
	c.TLS.CipherSuites = []string{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}
	c.TLS.MinVersion, c.TLS.MaxVersion = 1.2, 1.3
	return c
}

// defaults is what the step CLI reads when STEPPATH is the folder.
func (o *InitOptions) defaults(dir string, root *x509.Certificate) any {
	return struct {
		URL         string `json:"ca-url"`
		Config      string `json:"ca-config"`
		Fingerprint string `json:"fingerprint"`
		Root        string `json:"root"`
	}{URL(o.DNSNames[0], o.Address), filepath.Join(dir, filepath.FromSlash(configFile)), Fingerprint(root), filepath.Join(dir, filepath.FromSlash(rootFile))}
}
