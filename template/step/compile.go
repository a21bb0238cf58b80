package step

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	ttemplate "text/template"
	"text/template/parse"

	"github.com/chancery-ca/chancery/template"
)

// The limits of a template. Authors of templates are trusted, the data is not.
const (
	maxText   = 64 << 10 // bytes of a template
	maxOutput = 64 << 10 // bytes of a rendered document
	maxLoop   = 1000     // rounds of one range, which may be inside another; numbers that until or seq make
	maxDepth  = 32       // nested objects and lists
	maxCopies = 256      // places from which templates made by define are called
)

// Parse compiles the text of a step template. The error is a [*template.ParseError] and names line,
// column and field. name is for errors only.
//
// A template without actions is checked to the last value here. Of others the structure is, and the
// values of text when they are rendered.
func Parse(name, text string) (*template.Template, error) {
	c, err := compile(name, text, certificateFields)
	if err != nil {
		return nil, err
	}
	if c.static() {
		if _, err := c.certificate(&template.Data{}); err != nil {
			return nil, c.asParseError(err)
		}
	}
	return template.New(name, c.certificate), nil
}

// ParseSetting compiles a template as the setting "template" of ca.json holds it: text when it begins
// with a brace, else text in base64.
func ParseSetting(name, value string) (*template.Template, error) {
	text, err := settingText(name, value)
	if err != nil {
		return nil, err
	}
	return Parse(name, text)
}

func settingText(name, value string) (string, error) {
	if strings.HasPrefix(strings.TrimSpace(value), "{") {
		return value, nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return "", &template.ParseError{Template: name, Reason: "neither a JSON object nor base64"}
	}
	return string(b), nil
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
		return nil, &template.ParseError{Template: name, Reason: "longer than " + strconv.Itoa(maxText) + " bytes"}
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
		return nil, &template.ParseError{Template: name, Reason: "the function mustDeepCopy is not what it was"}
	}
	if err := w.template(main); err != nil {
		return nil, err
	}
	c.exec = ttemplate.New(name).Funcs(w.funcs)
	for n, tree := range w.output {
		if _, err := c.exec.AddParseTree(n, tree); err != nil {
			return nil, &template.ParseError{Template: name, Reason: err.Error()}
		}
	}
	return c, nil
}

// syntaxError takes the place out of an error of text/template: "template: name:line: reason" when it
// parses, and "template: name:line:column: reason" with columns from zero when it executes.
func syntaxError(name string, err error) *template.ParseError {
	e := &template.ParseError{Template: name, Reason: err.Error()}
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
	e, ok := errors.AsType[*template.RenderError](err)
	if !ok {
		return &template.ParseError{Template: c.name, Reason: err.Error()}
	}
	return &template.ParseError{Template: c.name, Line: e.Line, Column: e.Column, Field: e.Field, Reason: e.Err.Error()}
}

// render executes the template and returns the document, not yet checked.
func (c *compiled) render(d *template.Data) ([]byte, error) {
	s := c.newScope()
	s.certificate(d)
	return c.execute(s)
}

// newScope returns one that copies what this template could change.
func (c *compiled) newScope() *scope {
	if c.copies {
		return newScope(c.copier)
	}
	return newScope(nil)
}

func (c *compiled) execute(s *scope) ([]byte, error) {
	vars, err := s.variables()
	if err != nil {
		return nil, &template.RenderError{Template: c.name, Err: err}
	}
	var out limitedBuffer
	if err := c.exec.Execute(&out, vars); err != nil {
		return nil, c.execError(err)
	}
	return out.b, nil
}

// execError turns an error of text/template into one of ours.
func (c *compiled) execError(err error) error {
	if e, ok := errors.AsType[*template.FailError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*template.RenderError](err); ok {
		return e
	}
	e := &template.RenderError{Template: c.name, Err: err}
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
func (c *compiled) at(field string, err error) *template.RenderError {
	e := &template.RenderError{Template: c.name, Field: field, Err: err}
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
