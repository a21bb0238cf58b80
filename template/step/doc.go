// Package step renders step's template documents (JSON written with text/template). [Parse] makes a
// [template.Template] of one for X.509 certificates, and [ParseSSH] a [template.SSH] of one for SSH
// certificates; an authority takes both like those made in Go.
//
// Documents, variables and functions are those of step-ca, so its template files work as they are.
// What differs is on the side of caution:
//
//   - Values are escaped by where they stand. Inside a string of the document an action prints text of
//     that string; elsewhere it prints one JSON value. An action where a field's name would be is an
//     error, so nothing that came with a request can add a field that the template does not name.
//   - Unknown, repeated and misspelled fields are errors that name the field and its line. So are the
//     fields that the authority sets itself: serialNumber, issuer, subjectKeyId, authorityKeyId, and
//     the extensions that stand for them; of SSH certificates nonce, serial and reserved.
//   - A value that is missing inside a string is an error, not the text "<no value>". An IP address or
//     URI that is none is an error, not a name left out.
//   - A certificate says each thing once: an extension that is also a field of the document, or a
//     rawSubject that differs from the subject, is an error.
//   - An action inside a JSON document that is itself in a string (the value of a dn name) is an error;
//     asn1Value has the same without the string.
//   - Functions that read the host's environment or network, or that make keys, certificates or
//     password hashes, do not exist, and a template that uses one does not parse.
//   - Templates, documents, loops and repetitions have limits.
//
// A template is compiled once and rendered by any number of goroutines.
//
// The functions come from step and from sprig, and a program that links this package links both: some
// 1.4 MB. Package template has the usual templates without them.
package step
