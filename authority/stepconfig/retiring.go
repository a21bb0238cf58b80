package stepconfig

import "github.com/chancery-ca/chancery/authority"

// issuing is where an issuer's certificate and key are.
type issuing struct {
	crt, key     string // paths
	crtAt, keyAt *node
	state        authority.State
}

// readRetiring reads the issuers before the present one. What they issued may still be valid, so their CRLs
// and OCSP responses go on.
func (f *File) readRetiring(s *section) {
	for _, name := range s.keys {
		i := s.section(name)
		f.retiring = append(f.retiring, issuing{
			f.resolve(i.required("crt")), f.resolve(i.required("key")), i.at("crt"), i.at("key"), authority.Retiring,
		})
		i.close()
	}
	s.close()
}
