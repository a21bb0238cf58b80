{{ toJson (dict "subject" .Subject "sans" .SANs "keyUsage" (list "digitalSignature")) }}
