package syslogsink

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/chancery-ca/chancery/event"
)

// omittedName is an extension attribute of CloudEvents, and a parameter of the structured data.
const omittedName = "omitted"

// How events are shortened that do not fit: the longest text, as JSON in ASCII, and the fewest entries of a
// list that are worth the longer texts. The last row leaves serials, digests, times and beginnings of names,
// whatever a requester sends.
var cuts = []struct{ text, entries int }{{1024, 8}, {256, 8}, {minText, 0}}

// minText is longer than a serial, a digest and a time.
const minText = 64

// shortened renders an event that is too large: what a requester can make as long as it likes must not keep
// the rest from whoever must be told. Long texts lose their ends, and lists as many of their last entries as
// must be; it says so.
func (s *Sink) shortened(e event.Event) (string, error) {
	size := 0
	for _, c := range cuts {
		var text string
		var err error
		fits := func(entries int) bool {
			text, err = s.render(shorten(e, c.text, entries))
			size = len(text)
			return err == nil && size <= s.c.MaxMessage
		}
		longest := longestList(e.Data)
		if !fits(min(c.entries, longest)) {
			if err != nil {
				return "", err
			}
			continue
		}
		best := text
		if fits(sort.Search(min(longest, s.c.MaxMessage), func(n int) bool { return !fits(n + 1) })) {
			best = text
		}
		return best, nil
	}
	return "", fmt.Errorf("%w: %d bytes at the least", ErrTooLarge, size)
}

// shorten returns a copy of e whose texts and lists are no longer, what is left out, and the length for
// parameters.
func shorten(e event.Event, text, entries int) (short event.Event, omitted string, longest int) {
	c := cutter{text: text, entries: entries}
	e.Source, e.Subject = c.cut("source", e.Source), c.cut("subject", e.Subject)
	if old := reflect.Indirect(reflect.ValueOf(e.Data)); old.IsValid() {
		d := reflect.New(old.Type()).Elem()
		d.Set(old)
		for i := range d.NumField() {
			name, _, _ := strings.Cut(d.Type().Field(i).Tag.Get("json"), ",")
			switch v := d.Field(i).Addr().Interface().(type) {
			case *string:
				*v = c.cut("data."+name, *v)
			case *[]string:
				*v = c.list("data."+name, *v)
			}
		}
		e.Data = d.Interface().(event.Data)
	}
	return e, strings.Join(c.omitted, ", "), min(text, maxParam)
}

func longestList(d event.Data) (n int) {
	v := reflect.Indirect(reflect.ValueOf(d))
	if !v.IsValid() {
		return 0
	}
	for i := range v.NumField() {
		if l, ok := v.Field(i).Interface().([]string); ok {
			n = max(n, len(l))
		}
	}
	return n
}

// cutter cuts, and notes what it left out.
type cutter struct {
	text, entries int
	omitted       []string
}

func (c *cutter) list(name string, l []string) []string {
	if len(l) > c.entries {
		c.omitted = append(c.omitted, fmt.Sprintf("%d of %d in %s", len(l)-c.entries, len(l), name))
		l = l[:c.entries]
	}
	out, bytes := make([]string, len(l)), 0
	for i, s := range l {
		out[i] = cut(s, c.text)
		bytes += len(s) - len(out[i])
	}
	c.note(bytes, name)
	return out
}

func (c *cutter) cut(name, s string) string {
	short := cut(s, c.text)
	c.note(len(s)-len(short), name)
	return short
}

func (c *cutter) note(bytes int, name string) {
	if bytes > 0 {
		c.omitted = append(c.omitted, fmt.Sprintf("%d bytes of %s", bytes, name))
	}
}

// cut returns the beginning of s that is no longer than most in JSON and ASCII.
func cut(s string, most int) string {
	size := 0
	for i, r := range s {
		switch {
		case r > 0xffff:
			size += len(`\ud83d\udd11`)
		case r < ' ' || r >= 0x7f || strings.ContainsRune(`<>&`, r):
			size += len(`\u003c`)
		case r == '"' || r == '\\':
			size += 2
		default:
			size += utf8.RuneLen(r)
		}
		if size > most {
			return s[:i]
		}
	}
	return s
}
