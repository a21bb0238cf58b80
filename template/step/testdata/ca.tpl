{{- $depth := 0 }}
{{- if eq .Token.kind "policy" }}{{ $depth = 2 }}{{ end }}
{
	"subject": {{ toJson .Subject }},
	"keyUsage": ["certSign", "crlSign"],
	"basicConstraints": {
		"isCA": true,
		"maxPathLen": {{ $depth }}
	},
	"nameConstraints": {
		"critical": true,
		"permittedDNSDomains": ["{{ .Token.domain }}"],
		"excludedDNSDomains": "secret.{{ .Token.domain }}",
		"permittedIPRanges": {{ list "10.0.0.0/8" "fd00::/8" | toPrettyJson | indent 4 }},
		"permittedEmailAddresses": null
	},
	"crlDistributionPoints": ["http://crl.{{ .Token.domain }}/ca.crl"],
	"issuingCertificateURL": "http://ca.{{ .Token.domain }}/ca.crt",
	"policyIdentifiers": [{{ with .Token.policies }}{{ join "," . | quote }}{{ else }}"2.23.140.1.2.1", "1.2.3.4.5"{{ end }}],
	"signatureAlgorithm": "{{ if typeIs "*rsa.PublicKey" .Insecure.CR.PublicKey }}SHA512-RSA{{ else }}ECDSA-SHA384{{ end }}"
}
