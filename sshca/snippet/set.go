package snippet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"github.com/chancery-ca/chancery/sshca"
)

// Template is one file, as ca.json has it.
type Template struct {
	Name     string   // "known_hosts.tpl"; it is part of what clients are told
	Type     string   // Snippet, PrependLine, File or Directory
	Text     string   // text/template; empty for a Directory, and for nothing else
	Path     string   // where the client writes it: absolute, below its home (~/) or below its step path
	Comment  string   // how a comment begins in the file; empty is "#"
	Requires []string // variables that a client must send
}

// What the client does with a file.
const (
	Snippet     = "snippet"      // replaces the part of the file that an earlier one left
	PrependLine = "prepend-line" // makes it the first line of the file
	File        = "file"         // replaces the file
	Directory   = "directory"    // makes a directory
)

// Output is a Template rendered for one client.
type Output = sshca.Snippet

// Set is the templates for users and those for hosts. It is immutable and safe for concurrent use.
type Set struct {
	user, host []compiled
	more       map[string]any
}

type compiled struct {
	Template
	exec *template.Template // nil for a directory
}

// ErrKind is about a kind that is neither "user" nor "host".
var ErrKind = errors.New("snippet: neither user nor host")

// MissingError is about a variable that a template requires, and the client has not sent.
type MissingError struct{ Variable string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("snippet: the variable %q is missing", e.Variable)
}

// maxTemplate is the limit of a text and of what it renders to, in bytes.
const maxTemplate = 64 << 10

// New compiles templates, and reports every fault that it finds in them.
func New(user, host []Template) (*Set, error) {
	u, uerr := compileAll("user", user)
	h, herr := compileAll("host", host)
	if err := errors.Join(uerr, herr); err != nil {
		return nil, err
	}
	return &Set{user: u, host: h}, nil
}

// With returns a set of the same templates with more variables, which ca.json has under templates.data.
// None may be called Step or User. The values must not be changed afterwards.
func (s *Set) With(data map[string]any) (*Set, error) {
	for _, name := range []string{"Step", "User"} {
		if _, ok := data[name]; ok {
			return nil, fmt.Errorf("snippet: data %q has the name of a built-in variable", name)
		}
	}
	own := *s
	own.more = maps.Clone(data)
	return &own, nil
}

func compileAll(kind string, ts []Template) ([]compiled, error) {
	var all []compiled
	var faults []error
	for i, t := range ts {
		c, err := compile(t)
		if err != nil {
			faults = append(faults, fmt.Errorf("snippet: %s template %d %q: %w", kind, i+1, t.Name, err))
			continue
		}
		all = append(all, c)
	}
	return all, errors.Join(faults...)
}

func compile(t Template) (compiled, error) {
	t.Requires = slices.Clone(t.Requires)
	if t.Comment == "" {
		t.Comment = "#"
	}
	switch {
	case t.Name == "":
		return compiled{}, errors.New("no name")
	case t.Path == "":
		return compiled{}, errors.New("no path")
	case strings.ContainsFunc(t.Name+t.Path+t.Comment, unicode.IsControl):
		return compiled{}, errors.New("a control character in its name, path or comment")
	case slices.Contains(t.Requires, ""):
		return compiled{}, errors.New("it requires a variable without a name")
	case len(t.Text) > maxTemplate:
		return compiled{}, fmt.Errorf("longer than %d bytes", maxTemplate)
	}
	switch t.Type {
	case Directory:
		if t.Text != "" {
			return compiled{}, errors.New("a directory with a text")
		}
		return compiled{Template: t}, nil
	case Snippet, PrependLine, File:
	default:
		return compiled{}, fmt.Errorf("%q is no type; there are %s, %s, %s and %s", t.Type, Snippet, PrependLine, File, Directory)
	}
	if t.Text == "" {
		return compiled{}, errors.New("no text")
	}
	if len(t.Requires) == 0 && oldHostTemplate(t) {
		t.Requires = []string{"Certificate", "Key"}
	}
	exec, err := newTemplate(t.Name).Parse(t.Text)
	if err != nil {
		return compiled{}, parseError(t.Name, err)
	}
	return compiled{t, exec}, nil
}

// newTemplate returns one in which a variable that the client has not sent is empty.
func newTemplate(name string) *template.Template {
	return template.New(name).Option("missingkey=zero").Funcs(funcs())
}

// oldHostTemplate knows step's own template for sshd_config, which older versions wrote into ca.json
// without the variables it requires.
func oldHostTemplate(t Template) bool {
	const text = "a9cdca7e969a8e60338d288a02101fc003d6c0a11a8dcbf9d9fef242c222ccab"
	sum := sha256.Sum256([]byte(strings.TrimSpace(t.Text)))
	return strings.EqualFold(t.Name, "sshd_config.tpl") && hex.EncodeToString(sum[:]) == text
}

// Render makes the files of one kind, "user" or "host", for a client that has sent data. The error is
// [ErrKind], a [*MissingError] or a [*DataError] when the request is at fault; others are the templates'.
func (s *Set) Render(kind string, keys Keys, data map[string]string) ([]Output, error) {
	var ts []compiled
	switch kind {
	case "user":
		ts = s.user
	case "host":
		ts = s.host
	default:
		return nil, ErrKind
	}
	if err := checkData(data); err != nil {
		return nil, err
	}
	vars := maps.Clone(s.more)
	if vars == nil {
		vars = map[string]any{}
	}
	vars["User"], vars["Step"] = maps.Clone(data), stepOf(keys)
	outputs := make([]Output, 0, len(ts))
	for _, t := range ts {
		for _, name := range t.Requires {
			if data[name] == "" {
				return nil, &MissingError{name}
			}
		}
		o := Output{Name: t.Name, Type: t.Type, Path: t.Path, Comment: t.Comment}
		if t.exec != nil {
			var out limitedBuffer
			if err := t.exec.Execute(&out, vars); err != nil {
				return nil, renderError(t.Name, err)
			}
			if o.Content = out.b; bytes.Contains(out.b, []byte("<no value>")) {
				return nil, renderError(t.Name, errors.New("it has a variable that does not exist"))
			}
		}
		outputs = append(outputs, forOldClients(o, data))
	}
	return outputs, nil
}

// forOldClients gives step before 0.18, which can neither add to a file of includes nor knows the
// placeholder in its path, a file of its own. It does not say the version of templates that it knows.
func forOldClients(o Output, data map[string]string) Output {
	if o.Name == "step_includes.tpl" && data["StepSSHTemplateVersion"] == "" {
		o.Type, o.Path = File, strings.TrimPrefix(o.Path, "${STEPPATH}/")
	}
	return o
}

func renderError(name string, err error) error {
	if e, ok := errors.AsType[*DataError](err); ok {
		return e
	}
	return fmt.Errorf("snippet: rendering %q: %w", name, err)
}

type limitedBuffer struct{ b []byte }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if len(l.b)+len(p) > maxTemplate {
		return 0, fmt.Errorf("the result is longer than %d bytes", maxTemplate)
	}
	l.b = append(l.b, p...)
	return len(p), nil
}
