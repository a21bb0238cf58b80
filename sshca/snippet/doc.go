// Package snippet makes the files that clients and hosts need to work with an SSH CA: lines for
// ~/.ssh/config, known_hosts, sshd_config and the file of trusted keys. A step-compatible server offers
// them under POST /ssh/config, and step ssh config asks for them and writes them.
//
// [Builtin] is the usual set. [New] makes one of the templates that a ca.json names under templates.ssh.
// Whoever asks sends variables about their own machine, and gets them back in the files: nobody else does.
// They cannot begin a line, though, so that what a script passes on cannot become a directive.
//
// The files are text/template texts with these variables:
//
//	.User.<name>                 what the client sent; GOOS, StepPath, StepBasePath, Context, User ...
//	.Step.SSH.HostKey            the key of the CA for hosts, with .Type and .Marshal
//	.Step.SSH.HostFederatedKeys  the others, of older and federated CAs
//	.Step.SSH.UserKey            the same of the CA for users
//	.Step.SSH.UserFederatedKeys
//	.<name>                      what the CA adds; see [Set.With]
package snippet
