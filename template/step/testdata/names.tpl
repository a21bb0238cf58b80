{{- define "other" }}{"type": {{ toJson .type }}, "value": {{ toJson .value }}}{{ end -}}
{
	"subject": {{ .Subject.CommonName | quote }},
	"sans": [
		{"type": "permanentIdentifier", "value": {{ toJson .Token.udid }}},
		{"type": "userPrincipalName", "value": "{{ .Token.email }}"},
		{"type": "1.2.3.4", "value": "utf8:{{ .Token.email | upper }}"},
		{"type": "hardwareModuleName", "asn1Value": {"type": "1.3.6.1.4.1.99999.9", "serialNumber": {{ b64enc .Token.udid | toJson }}}},
		{"type": "dn", "asn1Value": {"organization": "Example", "commonName": {{ toJson .Token.udid }}}},
		{{ template "other" (dict "type" "dns" "value" "a.example.com") }},
		{{ template "other" (dict "type" "registeredID" "value" "1.2.3") }}
	],
	"keyUsage": ["digitalSignature", "key_agreement"],
	"unknownExtKeyUsage": ["1.3.6.1.4.1.311.20.2.2"],
	"extKeyUsage": ["clientAuth", "emailProtection"]
}
