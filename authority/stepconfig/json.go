package stepconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	maxFile  = 16 << 20 // more than the largest list of provisioners that anybody wrote
	maxDepth = 100
)

// node is a JSON value that knows where it stands. encoding/json forgets that, takes the last of two
// equal keys, and matches keys without case: none of which a file that grants rights should allow.
type node struct {
	file string
	line int
	path string

	value   any              // nil, bool, json.Number, string, []*node; or members
	members map[string]*node // of an object; nil for anything else
	keys    []string         // in the order of the file
}

func (n *node) kind() string {
	switch {
	case n.members != nil:
		return "an object"
	case n.value == nil:
		return "null"
	}
	switch n.value.(type) {
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	}
	return "a list"
}

// parseJSON reads one object. It goes no further than the first syntax error.
func parseJSON(file string, b []byte) (*node, error) {
	top := &node{file: file}
	switch {
	case len(b) > maxFile:
		return nil, &Fault{File: file, Reason: fmt.Sprintf("%d bytes are over the limit of %d", len(b), maxFile)}
	case !utf8.Valid(b):
		return nil, &Fault{File: file, Reason: "not UTF-8"}
	}
	p := &parser{file: file, src: b, dec: json.NewDecoder(bytes.NewReader(b))}
	p.dec.UseNumber()
	if err := p.value(top, 0); err != nil {
		return nil, p.fail(err)
	}
	if top.members == nil {
		return nil, &Fault{File: file, Line: 1, Reason: "must be a JSON object, is " + top.kind()}
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, p.fail(errors.New("more text after the end of the object"))
	}
	return top, nil
}

type parser struct {
	file   string
	src    []byte
	dec    *json.Decoder
	offset int // up to here the lines were counted
	lines  int
}

// line counts to the end of the token just read. Tokens do not span lines.
func (p *parser) line() int {
	end := min(int(p.dec.InputOffset()), len(p.src))
	p.lines += bytes.Count(p.src[p.offset:end], []byte("\n"))
	p.offset = end
	return p.lines + 1
}

func (p *parser) fail(err error) error {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	f := &Fault{File: p.file, Line: p.line(), Err: err}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		f.Line = 1 + bytes.Count(p.src[:min(max(int(s.Offset)-1, 0), len(p.src))], []byte("\n"))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		f.Line, f.Err = 1+bytes.Count(bytes.TrimRight(p.src, "\n"), []byte("\n")), errors.New("the file ends too early")
	}
	return f
}

func (p *parser) value(n *node, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deep")
	}
	t, err := p.dec.Token()
	if err != nil {
		return err
	}
	n.line = p.line()
	d, ok := t.(json.Delim)
	switch {
	case !ok:
		n.value = t
		return nil
	case d == '{':
		return p.object(n, depth)
	default: // '[': the decoder refuses closing ones here
		return p.list(n, depth)
	}
}

func (p *parser) object(n *node, depth int) error {
	n.members = map[string]*node{}
	for p.dec.More() {
		t, err := p.dec.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string) // the decoder refuses any other kind of key
		m := &node{file: p.file, path: join(n.path, key), line: p.line()}
		if first, ok := n.members[key]; ok {
			return &Fault{File: p.file, Line: m.line, Path: m.path, Reason: fmt.Sprintf("is set twice, first on line %d", first.line)}
		}
		if err := p.value(m, depth+1); err != nil {
			return err
		}
		n.members[key] = m
		n.keys = append(n.keys, key)
	}
	_, err := p.dec.Token()
	return err
}

func (p *parser) list(n *node, depth int) error {
	list := []*node{}
	for p.dec.More() {
		m := &node{file: p.file, path: fmt.Sprintf("%s[%d]", n.path, len(list))}
		if err := p.value(m, depth+1); err != nil {
			return err
		}
		list = append(list, m)
	}
	n.value = list
	_, err := p.dec.Token()
	return err
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// plain turns a node into what encoding/json would have made of it, with numbers as json.Number.
func (n *node) plain() any {
	if n.members != nil {
		m := make(map[string]any, len(n.members))
		for k, v := range n.members {
			m[k] = v.plain()
		}
		return m
	}
	if list, ok := n.value.([]*node); ok {
		s := make([]any, 0, len(list))
		for _, v := range list {
			s = append(s, v.plain())
		}
		return s
	}
	return n.value
}

// raw writes the node as JSON again, keys sorted.
func (n *node) raw() []byte {
	b, _ := json.Marshal(n.plain()) // made of JSON, so it can be
	return b
}
