package step

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// fieldError is an error about a field of a rendered document.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return "field " + e.field + ": " + e.err.Error() }

// checkDocument refuses what is not one JSON object, what has fields of another name, a field twice, or
// one that is the authority's.
func checkDocument(doc []byte, fields shape) *fieldError {
	c := checker{dec: json.NewDecoder(bytes.NewReader(doc))}
	c.dec.UseNumber()
	t, err := c.dec.Token()
	if err != nil {
		return c.fail(syntax(err))
	}
	if t != json.Delim('{') {
		return c.fail(errors.New("the document is not a JSON object"))
	}
	if _, err := c.object(fields); err != nil {
		return err
	}
	if _, err := c.dec.Token(); !errors.Is(err, io.EOF) {
		return c.fail(errors.New("text after the document"))
	}
	return nil
}

type checker struct {
	dec  *json.Decoder
	path []byte
	deep int
}

func (c *checker) fail(err error) *fieldError { return &fieldError{string(c.path), err} }

func syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the document ends too early")
	}
	return fmt.Errorf("not JSON: %s", shorten(err.Error()))
}

// object reads the fields of an object that has begun and reports whether there were none.
func (c *checker) object(fields shape) (empty bool, _ *fieldError) {
	here := len(c.path)
	seen := make(map[string]bool, 8)
	for c.dec.More() {
		t, err := c.dec.Token()
		if err != nil {
			return false, c.fail(syntax(err))
		}
		key, ok := t.(string)
		if !ok {
			return false, c.fail(errors.New("not JSON: the name of a field is no string"))
		}
		if err := fields.knows(key); err != nil {
			return false, c.fail(err)
		}
		if here > 0 {
			c.path = append(c.path, '.')
		}
		c.path = append(c.path, key...)
		if seen[key] {
			return false, c.fail(errors.New("the field is there twice"))
		}
		seen[key] = true
		empty, fault := c.value(fields.of(key))
		if fault != nil {
			return false, fault
		}
		if here == 0 && !empty && reserved(key) {
			return false, c.fail(errReserved)
		}
		c.path = c.path[:here]
	}
	if _, err := c.dec.Token(); err != nil {
		return false, c.fail(syntax(err))
	}
	return len(seen) == 0, nil
}

// value reads a value and reports whether it is null or empty.
func (c *checker) value(fields shape) (empty bool, _ *fieldError) {
	if c.deep++; c.deep > maxDepth {
		return false, c.fail(errors.New("nested too deeply"))
	}
	defer func() { c.deep-- }()
	t, err := c.dec.Token()
	if err != nil {
		return false, c.fail(syntax(err))
	}
	switch t {
	case nil, "":
		return true, nil
	case json.Delim('{'):
		if fields == nil {
			return false, c.fail(errors.New("an object, where a plain value belongs"))
		}
		return c.object(fields)
	case json.Delim('['):
		here := len(c.path)
		n := 0
		for ; c.dec.More(); n++ {
			c.path = append(strconv.AppendInt(append(c.path, '['), int64(n), 10), ']')
			if _, err := c.value(fields); err != nil {
				return false, err
			}
			c.path = c.path[:here]
		}
		if _, err := c.dec.Token(); err != nil {
			return false, c.fail(syntax(err))
		}
		return n == 0, nil
	}
	return false, nil
}
