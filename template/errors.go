package template

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseError says where a template is wrong. Line and Column count from one; zero is unknown.
type ParseError struct {
	Template     string
	Line, Column int
	Field        string // of the document, like "subject.commonName" or "sans[].type"; may be empty
	Reason       string
}

func (e *ParseError) Error() string {
	return "template: " + where(e.Template, e.Line, e.Column, e.Field) + e.Reason
}

// RenderError says why a template and its data made no certificate. Line and Column count from one;
// zero is unknown.
type RenderError struct {
	Template     string
	Line, Column int
	Field        string // of the document, like "sans[2].type"; may be empty
	Err          error
}

func (e *RenderError) Error() string {
	return "template: " + where(e.Template, e.Line, e.Column, e.Field) + e.Err.Error()
}

// Unwrap returns the cause.
func (e *RenderError) Unwrap() error { return e.Err }

// FailError is a refusal by the template itself: Text is what it gave to its function fail.
type FailError struct{ Text string }

func (e *FailError) Error() string { return e.Text }

func where(name string, line, column int, field string) string {
	var b strings.Builder
	b.WriteString(name)
	for _, n := range []int{line, column} {
		if n > 0 {
			b.WriteString(":" + strconv.Itoa(n))
		}
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if field != "" {
		fmt.Fprintf(&b, "field %s: ", field)
	}
	return b.String()
}

// position is a place in a template's text, counted from one.
type position struct{ line, column int }

func positionIn(text string, offset int) position {
	offset = min(max(offset, 0), len(text))
	before := text[:offset]
	return position{strings.Count(before, "\n") + 1, offset - strings.LastIndexByte(before, '\n')}
}

// offsetOf is the reverse of positionIn.
func offsetOf(text string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		n := strings.IndexByte(text[offset:], '\n')
		if n < 0 {
			return len(text)
		}
		offset += n + 1
	}
	return offset + column - 1
}
