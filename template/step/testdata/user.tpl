{{- /* what `--set` brings, and an extension of our own */ -}}
{{- $site := default "lab" .Insecure.User.site -}}
{
	"subject": {
		"country": "SE",
		"organization": {{ toJson .Insecure.User.organization }},
		"organizationalUnit": [{{ range $i, $g := .Token.groups }}{{ if $i }}, {{ end }}{{ $g | quote }}{{ end }}],
		"commonName": "{{ .Subject.CommonName }} ({{ $site }})",
		"extraNames": [
			{"type": "1.2.840.113549.1.9.1", "value": "{{ .Token.email }}"},
			{"type": "2.5.4.42", "value": {{ .Token.given_name | toJson }}}
		]
	},
	"sans": {{ toJson .SANs }},
	"notAfter": {{ .Token.exp | formatTime | toJson }},
	{{- if .Insecure.User.ocsp }}
	"ocspServer": "{{ .Insecure.User.ocsp }}",
	{{- end }}
	"keyUsage": ["digitalSignature"],
	"extKeyUsage": ["clientAuth"],
	"extensions": [
		{"id": "1.3.6.1.4.1.99999.1", "critical": false, "value": "{{ asn1Enc (printf "utf8:%s" $site) }}"},
		{"id": "1.3.6.1.4.1.99999.2", "value": {{ asn1Seq (asn1Enc "int:7") (asn1Enc "oid:1.2.3.4") | toJson }}},
		{"id": "1.3.6.1.4.1.99999.3", "critical": {{ hasKey .Token "email" }}, "value": {{ asn1Marshal "x" "ia5" | printf "%q" }}}
	]
}
