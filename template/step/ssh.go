package step

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/template"
)

// ParseSSH compiles the text of a step template for SSH certificates, as [Parse] does for X.509: functions,
// escaping, limits and errors are the same, and [template.SSHData] names the variables. The document has
// these fields, all but the type optional:
//
//   - type: "user" or "host".
//   - keyId: text.
//   - principals: a list of texts, or one.
//   - validAfter, validBefore: times of RFC 3339, not before 1970.
//   - criticalOptions, extensions: objects of texts. Their names are free, and a name without its value,
//     or with a null, is an error.
//   - nonce, serial, reserved: the authority's; to be empty.
//
// As everywhere, only the text of the template can name a field, so no value that is put into
// criticalOptions or extensions can add another. An action that is the whole of one of them,
//
//	"extensions": {{ toJson .Extensions }}
//
// has the names that its data has: what was granted, here. A template that does the same with
// .Insecure.User gives the choice to whoever asks, as it does with step.
func ParseSSH(name, text string) (*template.SSH, error) {
	c, err := compile(name, text, sshFields)
	if err != nil {
		return nil, err
	}
	if c.static() {
		if _, err := c.sshCertificate(&template.SSHData{}); err != nil {
			return nil, c.asParseError(err)
		}
	}
	return template.NewSSH(name, c.sshCertificate), nil
}

// ParseSSHSetting compiles a template for SSH certificates as the setting "template" of ca.json holds it;
// see [ParseSetting].
func ParseSSHSetting(name, value string) (*template.SSH, error) {
	text, err := settingText(name, value)
	if err != nil {
		return nil, err
	}
	return ParseSSH(name, text)
}

// sshCertificate renders, checks and decodes.
func (c *compiled) sshCertificate(d *template.SSHData) (*template.SSHCertificate, error) {
	doc, err := c.renderSSH(d)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(doc, c.fields); err != nil {
		return nil, c.at(err.field, err.err)
	}
	cert, fault := decodeSSH(doc)
	if fault != nil {
		return nil, c.at(fault.field, fault.err)
	}
	return cert, nil
}

func (c *compiled) renderSSH(d *template.SSHData) ([]byte, error) {
	s := c.newScope()
	s.sshCertificate(d)
	return c.execute(s)
}

// sshCertificate sets what templates of SSH certificates see.
func (s *scope) sshCertificate(d *template.SSHData) {
	s.common(d.Extra, d.Token, d.User, d.Webhooks, d.Entity, d.AuthorizationCrt)
	if d.Type != "" {
		s.vars["Type"] = d.Type
	}
	if d.KeyID != "" {
		s.vars["KeyID"] = d.KeyID
	}
	if d.Principals != nil {
		s.vars["Principals"] = slices.Clone(d.Principals)
	}
	if d.Extensions != nil {
		s.vars["Extensions"] = anyValues(d.Extensions)
	}
	if d.CriticalOptions != nil {
		s.vars["CriticalOptions"] = anyValues(d.CriticalOptions)
	}
	cr := d.CR
	cr.Principals = slices.Clone(cr.Principals)
	if cr.Key != nil { // its numbers have methods that change them, and templates can call methods
		var err error
		if cr.Key, err = ssh.ParsePublicKey(cr.Key.Marshal()); err != nil {
			s.fault = errors.New("the key of the request is malformed")
		}
	}
	s.insecure["CR"] = cr
}

// anyValues makes a map of the kind that functions such as set take, and the template's own.
func anyValues(m map[string]string) map[string]any {
	own := make(map[string]any, len(m))
	for k, v := range m {
		own[k] = v
	}
	return own
}

// decodeSSH makes the certificate that a checked document describes.
func decodeSSH(doc []byte) (*template.SSHCertificate, *fieldError) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil {
		return nil, &fieldError{"", reason(err)}
	}
	c := new(template.SSHCertificate)
	for _, f := range []struct {
		name   string
		decode func([]byte) *fieldError
	}{
		{"type", func(b []byte) *fieldError { return decodeType(&c.Type, b) }},
		{"keyId", func(b []byte) *fieldError { return decodeText(&c.KeyID, b, "") }},
		{"principals", func(b []byte) *fieldError { return decodeTexts(&c.Principals, b) }},
		{"validAfter", func(b []byte) *fieldError { return decodeTime(&c.ValidAfter, b) }},
		{"validBefore", func(b []byte) *fieldError { return decodeTime(&c.ValidBefore, b) }},
		{"criticalOptions", func(b []byte) *fieldError { return decodeOptions(&c.CriticalOptions, b) }},
		{"extensions", func(b []byte) *fieldError { return decodeOptions(&c.Extensions, b) }},
	} {
		b := fields[f.name]
		if (len(b) == 0 || isNull(b)) && f.name != "type" {
			continue
		}
		if err := f.decode(b); err != nil {
			err.field = f.name + err.field
			return nil, err
		}
	}
	return c, nil
}

func isNull(b []byte) bool { return bytes.Equal(bytes.TrimSpace(b), []byte("null")) }

// The decoders' errors name the field below the one decoded.

func decodeType(to *string, b []byte) *fieldError {
	if len(b) == 0 || isNull(b) {
		return &fieldError{"", errors.New("the certificate has no type")}
	}
	if err := decodeText(to, b, ""); err != nil {
		return err
	}
	if *to = strings.ToLower(*to); *to != "user" && *to != "host" {
		return &fieldError{"", errors.New("the type is neither user nor host")}
	}
	return nil
}

func decodeText(to *string, b []byte, field string) *fieldError {
	if isNull(b) {
		return &fieldError{field, errMissing}
	}
	if err := json.Unmarshal(b, to); err != nil {
		return &fieldError{field, errors.New("not text")}
	}
	return nil
}

func decodeTexts(to *[]string, b []byte) *fieldError {
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		list = []json.RawMessage{b}
	}
	for i, b := range list {
		var text string
		if err := decodeText(&text, b, "["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
		*to = append(*to, text)
	}
	return nil
}

func decodeTime(to *time.Time, b []byte) *fieldError {
	if err := json.Unmarshal(b, to); err != nil {
		return &fieldError{"", errors.New("not a time of RFC 3339")}
	}
	if !to.IsZero() && to.Unix() <= 0 {
		return &fieldError{"", errors.New("a time before 1970, which SSH cannot say")}
	}
	return nil
}

func decodeOptions(to *map[string]string, b []byte) *fieldError {
	var options map[string]json.RawMessage
	if err := json.Unmarshal(b, &options); err != nil {
		return &fieldError{"", errors.New("not an object")}
	}
	*to = make(map[string]string, len(options))
	for _, name := range slices.Sorted(maps.Keys(options)) {
		var value string
		if err := decodeText(&value, options[name], "."+name); err != nil {
			return err
		}
		(*to)[name] = value
	}
	return nil
}
