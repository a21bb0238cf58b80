package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// LineError is a fault in an inventory file.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }

// Parse reads the document of an inventory file: {"entities": […]}, each entity with the fields of
// [Entity] in exactly that spelling. Fields that are not known, fields given twice, an entity that does
// not say whether it is active, entities that are not valid, and IDs and identifiers that name two are
// errors. Each is a [LineError]; the first twenty are joined.
func Parse(data []byte) ([]*Entity, error) {
	if !utf8.Valid(data) {
		return nil, &LineError{1, errors.New("not UTF-8")}
	}
	var all json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil { // syntax, and a bound on nesting
		return nil, at(data, syntaxOffset(data, err), err)
	}
	p := &parser{data: data, ids: map[string]int64{}, names: map[Identifier]string{}}
	if err := p.document(); err != nil {
		return nil, err
	}
	if len(p.faults) > 0 {
		return nil, joined(p.faults)
	}
	return p.entities, nil
}

func syntaxOffset(data []byte, err error) int64 {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok && s.Offset > 0 {
		return s.Offset - 1 // of the byte, not after it
	}
	return int64(len(data))
}

func at(data []byte, offset int64, err error) error { return &LineError{lineOf(data, offset), err} }

func lineOf(data []byte, offset int64) int {
	offset = min(max(offset, 0), int64(len(data)))
	return 1 + bytes.Count(data[:offset], []byte{'\n'})
}

type parser struct {
	data     []byte
	entities []*Entity
	ids      map[string]int64      // where the entity stands
	names    map[Identifier]string // ID of the entity
	faults   []error
}

// document reads what is known to be JSON, and stops at the first fault in the outer form.
func (p *parser) document() error {
	d := json.NewDecoder(bytes.NewReader(p.data))
	if t, _ := d.Token(); t != json.Delim('{') {
		return at(p.data, 0, errors.New(`not {"entities": […]}`))
	}
	found := false
	for d.More() {
		t, _ := d.Token()
		if t != "entities" || found {
			return at(p.data, d.InputOffset()-1, fmt.Errorf("field %.60q unknown or given twice", t))
		}
		found = true
		if t, _ := d.Token(); t != json.Delim('[') {
			return at(p.data, d.InputOffset()-1, errors.New("entities is not a list"))
		}
		for d.More() {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return at(p.data, d.InputOffset(), err)
			}
			p.entity(raw, d.InputOffset()-int64(len(raw)))
			if len(p.faults) > maxFaults { // enough to see that it is another kind of file
				return joined(p.faults)
			}
		}
		d.Token() // ]
	}
	if !found {
		return at(p.data, 0, errors.New("no entities"))
	}
	return nil
}

func (p *parser) fault(offset int64, err error) { p.faults = append(p.faults, at(p.data, offset, err)) }

func (p *parser) entity(raw []byte, offset int64) {
	k := keys{d: json.NewDecoder(bytes.NewReader(raw))}
	if err := k.check(); err != nil {
		p.fault(offset+k.d.InputOffset()-1, err)
		return
	}
	var f struct {
		Entity
		Active *bool `json:"active"` // hides Entity's
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			offset += t.Offset - 1
			field := t.Field[strings.LastIndexByte(t.Field, '.')+1:]
			err = fmt.Errorf("field %.60q does not take a %s", field, t.Value)
		}
		p.fault(offset, err)
		return
	}
	if f.Active == nil {
		p.fault(offset, fmt.Errorf("entity %.60q does not say whether it is active", f.ID))
		return
	}
	f.Entity.Active = *f.Active
	e, err := Canonical(&f.Entity)
	if err != nil {
		p.fault(offset, err)
		return
	}
	p.add(e, offset)
}

func (p *parser) add(e *Entity, offset int64) {
	if first, ok := p.ids[e.ID]; ok {
		p.fault(offset, fmt.Errorf("%w: id %s is taken on line %d", ErrConflict, e.ID, lineOf(p.data, first)))
		return
	}
	p.ids[e.ID] = offset
	for _, i := range e.Identifiers {
		if o, ok := p.names[i]; ok {
			p.fault(offset, fmt.Errorf("%w: %s %.60q of %s belongs to %s", ErrConflict, i.Kind, i.Value, e.ID, o))
			continue
		}
		p.names[i] = e.ID
	}
	p.entities = append(p.entities, e)
}

// keys walks through an entity and finds fields that encoding/json would let pass: unknown ones, those in
// another case, and those given twice, of which the last would win.
type keys struct{ d *json.Decoder }

func (k keys) check() error {
	t, err := k.d.Token()
	if err != nil || t != json.Delim('{') {
		return errors.New("an entity is not an object")
	}
	return k.object("entity")
}

// value reads one value; in says what its fields may be.
func (k keys) value(in string) error {
	t, err := k.d.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		return k.object(in)
	case json.Delim('['):
		for k.d.More() {
			if err := k.value(in); err != nil {
				return err
			}
		}
		_, err = k.d.Token()
	}
	return err
}

func (k keys) object(in string) error {
	seen := map[string]bool{}
	for k.d.More() {
		t, err := k.d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if seen[name] {
			return fmt.Errorf("field %.60q given twice", name)
		}
		seen[name] = true
		if !fieldOf(in, name) {
			return fmt.Errorf("unknown field %.60q", name)
		}
		inner := in
		if in == "entity" {
			inner = name
		}
		if err := k.value(inner); err != nil {
			return err
		}
	}
	_, err := k.d.Token()
	return err
}

func fieldOf(in, name string) bool {
	switch in {
	case "entity":
		switch name {
		case "id", "kind", "name", "identifiers", "active", "groups", "tags", "attributes",
			"dns", "ips", "emails", "uris", "principals", "posix":
			return true
		}
		return false
	case "identifiers":
		return name == "kind" || name == "value"
	case "posix":
		return name == "user" || name == "uid" || name == "gid" || name == "home" || name == "shell"
	}
	return in == "tags" || in == "attributes"
}
