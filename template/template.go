package template

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	ttemplate "text/template"
	"text/template/parse"
)

// The limits of a template. Authors of templates are trusted, the data is not.
const (
	maxText   = 64 << 10 // bytes of a template
	maxOutput = 64 << 10 // bytes of a rendered document
	maxLoop   = 1000     // rounds of one range, which may be inside another; numbers that until or seq make
	maxDepth  = 32       // nested objects and lists
	maxCopies = 256      // places from which templates made by define are called
)

// Template makes certificates of data. It is immutable and safe for concurrent use.
type Template struct {
	name string
	make func(d *Data) (*x509.Certificate, error) // a func, so that programs without Parse do not link its half
}

// Parse compiles the text of a step template. The error is a [*ParseError] and names line, column and
// field. name is for errors only.
//
// A template without actions is checked to the last value here. Of others the structure is, and the
// values of text when they are rendered.
func Parse(name, text string) (*Template, error) {
	c, err := compile(name, text, certificateFields)
	if err != nil {
		return nil, err
	}
	if c.static() {
		if _, err := c.certificate(&Data{}); err != nil {
			return nil, c.asParseError(err)
		}
	}
	return &Template{name, c.certificate}, nil
}

// ParseStep compiles a template as ca.json holds it: text when it begins with a brace, else text in
// base64.
func ParseStep(name, text string) (*Template, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return Parse(name, text)
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, &ParseError{Template: name, Reason: "neither a JSON object nor base64"}
	}
	return Parse(name, string(b))
}

// Name returns the name that the template was parsed under.
func (t *Template) Name() string { return t.name }

// Render makes the certificate to be signed. Its public key is that of d.CR; serial number, issuer and
// key identifiers are left to the authority, and the times are zero unless the document sets them.
//
// The certificate may hold extensions of any kind in ExtraExtensions, those that crypto/x509 has
// fields for included; what is in there is what will be signed, so judge the encoded certificate.
//
// The error is a [*FailError] when the template refuses with its function fail, else a [*RenderError].
func (t *Template) Render(d *Data) (*x509.Certificate, error) {
	if err := CheckExtra(d.Extra); err != nil {
		return nil, &RenderError{Template: t.name, Err: err}
	}
	c, err := t.make(d)
	if err == nil {
		return c, nil
	}
	if e, ok := errors.AsType[*FailError](err); ok {
		return nil, e
	}
	if e, ok := errors.AsType[*RenderError](err); ok {
		e.Template = t.name
		return nil, e
	}
	return nil, &RenderError{Template: t.name, Err: err}
}

// compiled is the text of a template after every action has got its escaper.
type compiled struct {
	name   string
	source string
	fields shape
	exec   *ttemplate.Template
	sites  []site              // of the actions, for errors
	lines  map[string]position // of the fields that the text names
	copies bool                // it can change its data in place, so it gets copies
	copier func(any) (any, error)
}

// site is where an action stands.
type site struct {
	position
	begin, end int // offsets of the pipeline, the latter a guess
	field      string
}

func compile(name, text string, fields shape) (*compiled, error) {
	if len(text) > maxText {
		return nil, &ParseError{Template: name, Reason: "longer than " + strconv.Itoa(maxText) + " bytes"}
	}
	main := parse.New(name)
	main.Mode = parse.SkipFuncCheck // the walk checks them, with a place and a reason
	trees := map[string]*parse.Tree{}
	if _, err := main.Parse(text, "", "", trees); err != nil {
		return nil, syntaxError(name, err)
	}
	c := &compiled{name: name, source: text, fields: fields, lines: map[string]position{}}
	w := &walker{compiled: c, trees: trees, made: map[string]*call{}, funcs: allowedFuncs(c)}
	var ok bool
	if c.copier, ok = w.funcs["mustDeepCopy"].(func(any) (any, error)); !ok {
		return nil, &ParseError{Template: name, Reason: "the function mustDeepCopy is not what it was"}
	}
	if err := w.template(main); err != nil {
		return nil, err
	}
	c.exec = ttemplate.New(name).Funcs(w.funcs)
	for n, tree := range w.output {
		if _, err := c.exec.AddParseTree(n, tree); err != nil {
			return nil, &ParseError{Template: name, Reason: err.Error()}
		}
	}
	return c, nil
}

// syntaxError takes the place out of an error of text/template: "template: name:line: reason" when it
// parses, and "template: name:line:column: reason" with columns from zero when it executes.
func syntaxError(name string, err error) *ParseError {
	e := &ParseError{Template: name, Reason: err.Error()}
	rest, ok := strings.CutPrefix(e.Reason, "template: "+name+":")
	if !ok {
		return e
	}
	line, reason, _ := strings.Cut(rest, ": ")
	line, column, _ := strings.Cut(line, ":")
	if n, err := strconv.Atoi(line); err == nil {
		e.Line, e.Reason = n, reason
	}
	if n, err := strconv.Atoi(column); err == nil {
		e.Column = n + 1
	}
	return e
}

// static reports whether every rendering is the same.
func (c *compiled) static() bool {
	for _, n := range c.exec.Root.Nodes {
		if n.Type() != parse.NodeText {
			return false
		}
	}
	return true
}

func (c *compiled) asParseError(err error) error {
	e, ok := errors.AsType[*RenderError](err)
	if !ok {
		return &ParseError{Template: c.name, Reason: err.Error()}
	}
	return &ParseError{Template: c.name, Line: e.Line, Column: e.Column, Field: e.Field, Reason: e.Err.Error()}
}

// render executes the template and returns the document, not yet checked.
func (c *compiled) render(d *Data) ([]byte, error) {
	var copier func(any) (any, error)
	if c.copies {
		copier = c.copier
	}
	vars, err := d.variables(copier)
	if err != nil {
		return nil, &RenderError{Template: c.name, Err: err}
	}
	var out limitedBuffer
	if err := c.exec.Execute(&out, vars); err != nil {
		return nil, c.execError(err)
	}
	return out.b, nil
}

// execError turns an error of text/template into one of ours.
func (c *compiled) execError(err error) error {
	if e, ok := errors.AsType[*FailError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*RenderError](err); ok {
		return e
	}
	e := &RenderError{Template: c.name, Err: err}
	if exec, ok := errors.AsType[ttemplate.ExecError](err); ok {
		at := syntaxError(c.name, exec.Err)
		e.Line, e.Column, e.Err = at.Line, at.Column, errors.New(shorten(at.Reason))
		for _, s := range c.sites {
			if o := offsetOf(c.source, e.Line, e.Column); s.begin <= o && o <= s.end {
				e.Field = s.field
			}
		}
	}
	return e
}

// at makes an error about a field of a rendered document, with the place where the text names it or
// what holds it.
func (c *compiled) at(field string, err error) *RenderError {
	e := &RenderError{Template: c.name, Field: field, Err: err}
	for f := withoutIndexes(field); f != ""; f = parent(f) {
		if p, ok := c.lines[f]; ok {
			e.Line, e.Column = p.line, p.column
			break
		}
	}
	return e
}

var errTooLong = errors.New("the document is longer than " + strconv.Itoa(maxOutput) + " bytes")

type limitedBuffer struct{ b []byte }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if len(l.b)+len(p) > maxOutput {
		return 0, errTooLong
	}
	l.b = append(l.b, p...)
	return len(p), nil
}

// shorten keeps messages of other packages, which may quote values, to a readable length.
func shorten(s string) string {
	if len(s) > 240 {
		return strings.ToValidUTF8(s[:240], "") + "…"
	}
	return s
}
