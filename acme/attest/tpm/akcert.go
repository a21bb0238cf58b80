package tpm

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/chancery-ca/chancery/acme/attest"
)

var (
	oidSAN            = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidAIKCertificate = asn1.ObjectIdentifier{2, 23, 133, 8, 3} // tcg-kp-AIKCertificate

	// Attributes of the TPM, in the directory name (TCG EK Credential Profile, section 3.2.9).
	oidManufacturer = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidModel        = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidVersion      = asn1.ObjectIdentifier{2, 23, 133, 2, 3}

	oidPermanentIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3} // RFC 4043
	oidHardwareModuleName  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 4} // RFC 4108
)

// device is what the certificate of an attestation key says.
type device struct {
	manufacturer, model, version string
	identifiers                  []string
}

// readAK checks the certificate of an attestation key (WebAuthn, section 8.3.1).
func readAK(c *x509.Certificate) (*device, error) {
	var empty pkix.RDNSequence
	if _, err := asn1.Unmarshal(c.RawSubject, &empty); err != nil || len(empty) > 0 || c.Version != 3 || c.IsCA {
		return nil, errors.New("the attestation key's certificate has a subject, or is not that of a key")
	}
	if !slices.ContainsFunc(c.UnknownExtKeyUsage, oidAIKCertificate.Equal) {
		return nil, errors.New("the certificate is not that of an attestation key")
	}
	der, ok := attest.Extension(c, oidSAN)
	if !ok {
		return nil, errors.New("the attestation key's certificate does not say whose it is")
	}
	d, err := readSAN(der)
	if err != nil {
		return nil, err
	}
	if d.manufacturer == "" || d.model == "" || d.version == "" {
		return nil, errors.New("the attestation key's certificate does not say which TPM it is of")
	}
	return d, nil
}

// readSAN reads GeneralNames: what it does not know of is passed over.
func readSAN(der []byte) (*device, error) {
	bad := errors.New("the attestation key's alternative names cannot be read")
	var seq asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &seq); err != nil || len(rest) > 0 || seq.Tag != asn1.TagSequence || !seq.IsCompound {
		return nil, bad
	}
	d := &device{}
	for rest := seq.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return nil, bad
		}
		if v.Class != asn1.ClassContextSpecific {
			return nil, bad
		}
		switch v.Tag {
		case 0:
			err = d.addOther(v.Bytes)
		case 4:
			err = d.addDirectory(v.Bytes)
		}
		if err != nil {
			return nil, bad
		}
	}
	return d, nil
}

func (d *device) addDirectory(der []byte) error {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return errors.New("directory name")
	}
	for _, set := range name {
		for _, a := range set {
			s, _ := a.Value.(string)
			switch {
			case a.Type.Equal(oidManufacturer):
				d.manufacturer = s
			case a.Type.Equal(oidModel):
				d.model = s
			case a.Type.Equal(oidVersion):
				d.version = s
			}
		}
	}
	return nil
}

// addOther reads the content of an OtherName: an OID, and a value in [0].
func (d *device) addOther(der []byte) error {
	var id asn1.ObjectIdentifier
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(der, &id)
	if err == nil {
		rest, err = asn1.Unmarshal(rest, &v)
	}
	if err != nil || len(rest) > 0 || v.Class != asn1.ClassContextSpecific || v.Tag != 0 || !v.IsCompound {
		return errors.New("other name")
	}
	switch {
	case id.Equal(oidPermanentIdentifier):
		var p struct {
			Value    string                `asn1:"utf8,optional"`
			Assigner asn1.ObjectIdentifier `asn1:"optional"`
		}
		if rest, err := asn1.Unmarshal(v.Bytes, &p); err != nil || len(rest) > 0 {
			return errors.New("permanent identifier")
		}
		if p.Value != "" {
			d.identifiers = append(d.identifiers, p.Value)
		}
	case id.Equal(oidHardwareModuleName):
		var h struct {
			Type   asn1.ObjectIdentifier
			Serial []byte
		}
		if rest, err := asn1.Unmarshal(v.Bytes, &h); err != nil || len(rest) > 0 {
			return errors.New("hardware module name")
		}
		d.identifiers = append(d.identifiers, hex.EncodeToString(h.Serial))
	}
	return nil
}
