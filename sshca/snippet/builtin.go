package snippet

import (
	"strings"
	"text/template"
)

// Builtin returns the usual set: what step-ca offers when its ca.json has no templates, by the names,
// types and paths that clients know.
//
// A user's ~/.ssh/config includes what step keeps about each CA. That applies to a host only if step ssh
// check-host says that it is one of the CA's: for others, ssh does what it did before. A host gets its
// certificate and key into sshd_config, and the keys of the CA for users into a file of their own.
func Builtin() *Set {
	return &Set{
		user: []compiled{
			builtin("config.tpl", Snippet, "~/.ssh/config", userConfig),
			builtin("step_includes.tpl", PrependLine, "${STEPPATH}/ssh/includes", userIncludes),
			builtin("step_config.tpl", File, "ssh/config", userHosts),
			builtin("known_hosts.tpl", File, "ssh/known_hosts", knownHosts),
		},
		host: []compiled{
			builtin("sshd_config.tpl", Snippet, "/etc/ssh/sshd_config", sshdConfig, "Certificate", "Key"),
			builtin("ca.tpl", Snippet, "/etc/ssh/ca.pub", trustedKeys),
		},
	}
}

func builtin(name, typ, path, text string, requires ...string) compiled {
	exec := newTemplate(name).Funcs(template.FuncMap{
		"includable": includable, "argument": argument, "word": word,
	})
	return compiled{
		Template{Name: name, Type: typ, Text: text, Path: path, Comment: "#", Requires: requires},
		template.Must(exec.Parse(text)),
	}
}

// The texts. Host * and Match all end whatever block of the file comes before. A line to prepend ends
// without a line break, because clients compare lines.
const (
	userConfig = `Host *
	Include {{ coalesce .User.StepBasePath .User.StepPath "~/.step" | includable .User.GOOS "StepPath" "/ssh/includes" }}
`
	userIncludes = `Include {{ .User.StepPath | default "~/.step" | includable .User.GOOS "StepPath" "/ssh/config" }}`

	userHosts = `
{{- $windows := eq .User.GOOS "windows" -}}
{{- $path := .User.StepPath | default "~/.step" -}}
{{- $context := "" }}{{ with .User.Context }}{{ $context = . | word $windows "Context" | printf " --context %s" }}{{ end -}}
{{- $login := "" }}{{ with .User.Console }}{{ $login = " --console" }}{{ end -}}
{{- with .User.Provisioner }}{{ $login = . | word $windows "Provisioner" | printf "%s --provisioner %s" $login }}{{ end -}}
Match exec "step ssh check-host{{ $context }} %h"
{{- with .User.User }}
	User {{ argument "User" "" . }}
{{- end }}
{{- if $windows }}
	UserKnownHostsFile {{ $path | argument "StepPath" "\\ssh\\known_hosts" }}
	ProxyCommand C:\Windows\System32\cmd.exe /c step ssh proxycommand{{ $context }}{{ $login }} %r %h %p
{{- else }}
	UserKnownHostsFile {{ $path | argument "StepPath" "/ssh/known_hosts" }}
	ProxyCommand step ssh proxycommand{{ $context }}{{ $login }} %r %h %p
{{- end }}
`
	knownHosts = `
{{- with .Step.SSH.HostKey }}@cert-authority * {{ .Type }} {{ .Marshal | toString | b64enc }}
{{ end }}
{{- range .Step.SSH.HostFederatedKeys }}@cert-authority * {{ .Type }} {{ .Marshal | toString | b64enc }}
{{ end }}`

	sshdConfig = `Match all
	TrustedUserCAKeys /etc/ssh/ca.pub
	HostCertificate {{ printf "/etc/ssh/%s" .User.Certificate | argument "Certificate" "" }}
	HostKey {{ printf "/etc/ssh/%s" .User.Key | argument "Key" "" }}
`
	trustedKeys = `
{{- with .Step.SSH.UserKey }}{{ .Type }} {{ .Marshal | toString | b64enc }}
{{ end }}
{{- range .Step.SSH.UserFederatedKeys }}{{ .Type }} {{ .Marshal | toString | b64enc }}
{{ end }}`
)

// harmless are the characters that neither ssh nor a shell gives a meaning to.
const harmless = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,:/@+="

func onlyOf(s, characters string) bool { return strings.Trim(s, characters) == "" }

// argument is a value with what follows it as one argument of a directive, between quotation marks unless
// it is all of the argument and needs none. There is no way to write a quotation mark that all versions of
// OpenSSH read, nor one to write what newer ones expand: %h, ${HOME}.
func argument(variable, suffix, s string) (string, error) {
	if suffix == "" && onlyOf(s, harmless+`\`) {
		return s, nil
	}
	if s += suffix; strings.ContainsAny(s, `"%`) || strings.Contains(s, "${") || strings.HasSuffix(s, `\`) {
		return "", &DataError{variable, "has a quotation mark, a percent sign, ${ or a backslash at its end, which ssh would not take for itself"}
	}
	return `"` + s + `"`, nil
}

// includable is a path as Include takes it. OpenSSH for Windows takes one with a drive for a relative one.
func includable(goos, variable, suffix, path string) (string, error) {
	if goos == "windows" {
		path = strings.ReplaceAll(path, `\`, "/")
		if strings.HasPrefix(path, "C:") || strings.HasPrefix(path, "c:") {
			path = path[2:]
		}
	}
	return argument(variable, suffix, path)
}

// word is a value as one word of a command that stands between quotation marks, for the shell that ssh
// gives it to. %% is how ssh writes a percent sign in commands.
func word(windows bool, variable, s string) (string, error) {
	switch {
	case onlyOf(s, harmless) && !strings.HasPrefix(s, "-"):
		return s, nil
	case windows || strings.ContainsAny(s, `'"\`) || strings.HasPrefix(s, "-"):
		return "", &DataError{variable, "has characters that a command cannot hold"}
	}
	return "'" + strings.ReplaceAll(s, "%", "%%") + "'", nil
}
