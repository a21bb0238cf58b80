package step_test

import (
	"fmt"

	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

func Example() {
	tpl, err := step.Parse("team.tpl", `{
	"subject": {"organization": "Example", "commonName": {{ toJson .Subject.CommonName }}},
	"sans": {{ toJson .SANs }},
	"keyUsage": ["digitalSignature"],
	"extKeyUsage": ["clientAuth"]
}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	cert, err := tpl.Render(&template.Data{
		CommonName: `eve","isCA":true,"x":"`,
		SANs:       []template.SAN{{Type: "email", Value: "eve@example.com"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cert.Subject.CommonName, cert.EmailAddresses, cert.IsCA)
	// Output: eve","isCA":true,"x":" [eve@example.com] false
}

func ExampleParse_error() {
	_, err := step.Parse("leaf.tpl", `{
	"subject": {{ toJson .Subject }},
	"keyusage": ["digitalSignature"]
}`)
	fmt.Println(err)
	// Output: template: leaf.tpl:3:11: there is no field "keyusage"; did you mean "keyUsage"?
}
