package snippet_test

import (
	"fmt"

	"github.com/chancery-ca/chancery/sshca/snippet"
)

func Example() {
	files, err := snippet.Builtin().Render("user", snippet.Keys{}, map[string]string{
		"GOOS": "linux", "StepPath": "/home/alice/.step", "StepSSHTemplateVersion": "v2", "User": "alice",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range files[:2] {
		fmt.Printf("%s %s: %q\n", f.Type, f.Path, f.Content)
	}
	// Output:
	// snippet ~/.ssh/config: "Host *\n\tInclude \"/home/alice/.step/ssh/includes\"\n"
	// prepend-line ${STEPPATH}/ssh/includes: "Include \"/home/alice/.step/ssh/config\""
}
