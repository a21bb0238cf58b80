package step

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/chancery-ca/chancery/template"
)

// The names of the functions that end every pipeline. A template cannot use them itself.
const (
	stringEscaper = "_string"
	valueEscaper  = "_value"
	jsonEscaper   = "_json"
	loopGuard     = "_range"
)

func (c *compiled) siteError(i int, err error) error {
	s := c.sites[i]
	return &template.RenderError{Template: c.name, Line: s.line, Column: s.column, Field: s.field, Err: err}
}

var errMissing = errors.New("the value is missing, and has no text")

// escapeString prints v as text inside a JSON string.
func (c *compiled) escapeString(i int, v any) (string, error) {
	text, err := printed(v)
	if err != nil {
		return "", c.siteError(i, err)
	}
	if len(text) > maxOutput {
		return "", c.siteError(i, errTooLong)
	}
	b, err := json.Marshal(text)
	if err != nil {
		return "", c.siteError(i, err)
	}
	return string(b[1 : len(b)-1]), nil
}

// printed is what text/template would print.
func printed(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", errMissing
	case string:
		return v, nil
	case error, fmt.Stringer:
		if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
			return "", errMissing
		}
		return fmt.Sprint(v), nil
	}
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer || r.Kind() == reflect.Interface {
		if r.IsNil() {
			return "", errMissing
		}
		r = r.Elem()
	}
	switch r.Kind() {
	case reflect.Chan, reflect.Func:
		return "", fmt.Errorf("a value of type %s has no text", r.Type())
	}
	return fmt.Sprint(r.Interface()), nil
}

// escapeValue prints v as one JSON value. A string that is itself a JSON string, number or word is
// taken for it, as in {{ quote .X }} and {{ printf "%q" .X }}.
func (c *compiled) escapeValue(i int, v any) (string, error) {
	if s, ok := v.(string); ok {
		switch isJSON, container := kindOf(s); {
		case container:
			return "", c.siteError(i, errors.New("a JSON document inside a string; end the action with toJson, after fromJson if that is what it holds"))
		case isJSON:
			return padded(s), nil
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", c.siteError(i, err)
	}
	return padded(string(b)), nil
}

// escapeJSON prints v, which a function of this package's choice has made, as one JSON value.
func (c *compiled) escapeJSON(i int, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return c.escapeValue(i, v)
	}
	if !json.Valid([]byte(s)) {
		return "", c.siteError(i, errors.New("the value has no JSON"))
	}
	return padded(s), nil
}

// padded keeps a value from growing together with its neighbours.
func padded(s string) string { return " " + s + " " }

func kindOf(s string) (isJSON, container bool) {
	t := strings.Trim(s, " \t\r\n") // what JSON takes for space, no more
	if t == "" || strings.IndexByte(`"-0123456789tfn{[`, t[0]) < 0 || !json.Valid([]byte(t)) {
		return false, false
	}
	return true, t[0] == '{' || t[0] == '['
}

// guardLoop passes on what a range goes over when it is not too much.
func (c *compiled) guardLoop(i int, v reflect.Value) (reflect.Value, error) {
	r := v
	for r.Kind() == reflect.Pointer || r.Kind() == reflect.Interface {
		r = r.Elem() // of nil: the zero Value, over which a range does nothing
	}
	n := uint64(0)
	switch r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n = uint64(max(r.Int(), 0))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n = r.Uint()
	case reflect.Array, reflect.Slice, reflect.Map, reflect.String:
		n = uint64(r.Len())
	case reflect.Chan, reflect.Func:
		return v, c.siteError(i, fmt.Errorf("no loop over a %s", r.Kind()))
	}
	if n > maxLoop {
		return v, c.siteError(i, fmt.Errorf("a loop of %d rounds, more than %d", n, maxLoop))
	}
	return v, nil
}
