package template

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseError says where the text of a template is wrong. Line and Column count from one; zero is unknown.
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

// FailError is a refusal by the template itself: Text is its reason, for whoever asked. Text templates
// refuse with their function fail.
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
