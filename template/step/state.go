package step

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// state is where in a JSON document the text of a template has got to. It is a value: branches start
// from the same one and are compared where they meet.
type state struct {
	mode   mode
	sep    separation
	frames []frame // never written to once shared; push and pop copy
	key    string  // what is read of the key so far, in mode inKey
	first  byte    // of the string that is being read, white space aside; 0 before it
}

type mode int

const (
	atStart     mode = iota // before the document
	inObject                // between the fields of an object
	inKey                   // inside the string that names a field
	atColon                 // after it
	atValue                 // after the colon
	inArray                 // between the elements of a list
	inString                // inside a string that is a value
	atEnd                   // after the document
	unreachable             // after fail, break or continue
)

func (m mode) String() string {
	return [...]string{"before the document", "between fields", "inside a field's name", "after a field's name",
		"before a value", "in a list", "inside a string", "after the document", "nowhere"}[m]
}

// separation is what stands before the next field or element.
type separation int

const (
	unknown separation = iota // it depends on which branches are taken
	opening
	comma
	element
)

type frame struct {
	open   byte   // '{' or '['
	key    string // the field being read
	fields shape  // what may be in here
}

// field is the path of the field being read, with [] for elements.
func (s state) field() string {
	var b strings.Builder
	for i, f := range s.frames {
		switch {
		case f.open == '[':
			b.WriteString("[]")
		case f.key == "" || i == len(s.frames)-1 && (s.mode == inObject || s.mode == inKey):
		case b.Len() == 0:
			b.WriteString(f.key)
		default:
			b.WriteString("." + f.key)
		}
	}
	return b.String()
}

func (s state) top() frame { return s.frames[len(s.frames)-1] }

// inside is what the fields of an object that begins here may be.
func (s state) inside(root shape) shape {
	if len(s.frames) == 0 {
		return root
	}
	if t := s.top(); t.open == '{' {
		return t.fields.of(t.key)
	}
	return s.top().fields
}

func (s state) push(open byte, fields shape) state {
	s.frames = append(s.frames[:len(s.frames):len(s.frames)], frame{open: open, fields: fields})
	s.mode, s.sep = inObject, opening
	if open == '[' {
		s.mode = inArray
	}
	return s
}

func (s state) pop() state {
	s.frames = s.frames[:len(s.frames)-1]
	return s.afterValue()
}

func (s state) afterValue() state {
	s.sep, s.first = element, 0
	switch {
	case len(s.frames) == 0:
		s.mode = atEnd
	case s.top().open == '{':
		s.mode = inObject
	default:
		s.mode = inArray
	}
	return s
}

func (s state) withKey(key string) state {
	frames := append([]frame(nil), s.frames...)
	frames[len(frames)-1].key = key
	s.frames, s.mode, s.key = frames, atColon, ""
	return s
}

// id distinguishes states in which the same text means different things.
func (s state) id() string {
	return fmt.Sprintf("%d %d %s %s %d", s.mode, s.sep, s.field(), s.key, s.first)
}

// meet is the state after two branches, or false when they leave the document in different places.
func (s state) meet(o state) (state, bool) {
	if s.mode == unreachable {
		return o, true
	}
	if o.mode == unreachable {
		return s, true
	}
	if s.mode != o.mode || s.key != o.key || len(s.frames) != len(o.frames) {
		return s, false
	}
	for i, f := range s.frames {
		g := o.frames[i]
		last := i == len(s.frames)-1 && s.mode == inObject // the field before is done with
		if f.open != g.open || f.key != g.key && !last {
			return s, false
		}
	}
	if s.sep != o.sep {
		s.sep = unknown
	}
	if o.first == '{' {
		s.first = '{'
	}
	return s, true
}

// literals are the characters of numbers, true, false and null.
const literals = "+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// lexer moves a state over text.
type lexer struct {
	root  shape
	named func(offset int, s state) // called when a field has been named
}

// advance reads text. The error is about the byte at the returned offset.
func (l *lexer) advance(s state, text string) (state, int, error) {
	for i := 0; i < len(text); {
		n, next, err := l.token(s, text[i:])
		if err != nil {
			return s, i, err
		}
		if s.mode == inKey && next.mode == atColon {
			l.named(i, next)
		}
		s, i = next, i+n
	}
	return s, len(text), nil
}

func (l *lexer) token(s state, text string) (int, state, error) {
	if s.mode == inString || s.mode == inKey {
		return l.inString(s, text)
	}
	c := text[0]
	switch c {
	case ' ', '\t', '\r', '\n':
		return 1, s, nil
	case ',':
		if s.mode != inObject && s.mode != inArray {
			break
		}
		if s.sep == comma || s.sep == opening {
			return 0, s, fmt.Errorf("a comma with nothing before it")
		}
		s.sep = comma
		return 1, s, nil
	case '}', ']':
		if s.mode != inObject && c == '}' || s.mode != inArray && c == ']' {
			break
		}
		if s.sep == comma {
			return 0, s, fmt.Errorf("a comma with nothing after it")
		}
		return 1, s.pop(), nil
	}
	switch s.mode {
	case atStart:
		if c != '{' {
			return 0, s, fmt.Errorf("a document is a JSON object and begins with a brace, not with %q", firstRune(text))
		}
		return 1, s.push('{', l.root), nil
	case inObject:
		if c != '"' {
			return 0, s, fmt.Errorf("expected the name of a field, found %q", firstRune(text))
		}
		if s.sep == element {
			return 0, s, fmt.Errorf("a comma is missing before this field")
		}
		s.mode, s.key = inKey, ""
		return 1, s, nil
	case atColon:
		if c != ':' {
			return 0, s, fmt.Errorf("expected a colon, found %q", firstRune(text))
		}
		s.mode = atValue
		return 1, s, nil
	case atValue, inArray:
		return l.value(s, text)
	default:
		return 0, s, fmt.Errorf("text %s", s.mode)
	}
}

// value reads the beginning of a value, or all of it when it is a literal.
func (l *lexer) value(s state, text string) (int, state, error) {
	if s.mode == inArray && s.sep == element {
		return 0, s, fmt.Errorf("a comma is missing before this element")
	}
	c := text[0]
	switch c {
	case '{', '[':
		if len(s.frames) >= maxDepth {
			return 0, s, fmt.Errorf("nested too deeply")
		}
		inside := s.inside(l.root)
		if c == '{' && inside == nil {
			return 0, s, fmt.Errorf("an object, where a plain value belongs")
		}
		return 1, s.push(c, inside), nil
	case '"':
		if reserved(s.field()) && !strings.HasPrefix(text, `""`) {
			return 0, s, errReserved
		}
		s.mode, s.first = inString, 0
		return 1, s, nil
	}
	n := len(text) - len(strings.TrimLeft(text, literals))
	if n == 0 {
		return 0, s, fmt.Errorf("expected a value, found %q", firstRune(text))
	}
	if !json.Valid([]byte(text[:n])) {
		return 0, s, fmt.Errorf("%.40q is not a JSON value", text[:n])
	}
	if reserved(s.field()) && text[:n] != "null" {
		return 0, s, errReserved
	}
	return n, s.afterValue(), nil
}

// inString reads one character of a string, or its end.
func (l *lexer) inString(s state, text string) (int, state, error) {
	c, n := text[0], 1
	switch {
	case c == '"' && s.mode == inString:
		return 1, s.afterValue(), nil
	case c == '"':
		var key string
		if err := json.Unmarshal([]byte(`"`+s.key+`"`), &key); err != nil {
			return 0, s, err
		}
		if err := s.top().fields.knows(key); err != nil {
			return 0, s, err
		}
		return 1, s.withKey(key), nil
	case c < 0x20:
		return 0, s, fmt.Errorf("a line break or control character inside a string")
	case c == '\\':
		if n = escape(text); n == 0 {
			return 0, s, fmt.Errorf("not an escape of JSON")
		}
	}
	if s.mode == inKey {
		s.key += text[:n]
	} else if s.first == 0 {
		var read string
		if err := json.Unmarshal([]byte(`"`+text[:n]+`"`), &read); err == nil && len(strings.TrimSpace(read)) > 0 {
			s.first = read[0]
		}
	}
	return n, s, nil
}

// escape returns the length of the escape that s begins with, 0 if it is none.
func escape(s string) int {
	if len(s) < 2 {
		return 0
	}
	if s[1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, s[1]) < 0 {
			return 0
		}
		return 2
	}
	if len(s) < 6 || len(bytes.Trim([]byte(s[2:6]), "0123456789abcdefABCDEF")) > 0 {
		return 0
	}
	return 6
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}
