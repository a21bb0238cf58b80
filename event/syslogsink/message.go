package syslogsink

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/leodido/go-syslog/v4/common"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/chancery-ca/chancery/event"
)

// ErrTooLarge is in the error of an event that does not fit into Config.MaxMessage however much is left out.
var ErrTooLarge = errors.New("syslogsink: the message is too large")

const (
	stampFormat = "2006-01-02T15:04:05.999999Z07:00" // RFC 5424, section 6.2.3: at most microseconds
	typePrefix  = "io.chancery."
	maxParam    = 256 // bytes; all of it is in MSG
)

// frame renders e: a length, a space, a message of RFC 5424. One that is too large is shortened. Its errors
// are the event's fault.
func (s *Sink) frame(e event.Event) ([]byte, error) {
	text, err := s.render(e, "", maxParam)
	if err == nil && len(text) > s.c.MaxMessage {
		text, err = s.shortened(e)
	}
	if err != nil {
		return nil, err
	}
	return append(strconv.AppendInt(nil, int64(len(text)), 10), " "+text...), nil
}

// render makes the message. omitted is what e does not say any more; no parameter is longer than longest.
func (s *Sink) render(e event.Event, omitted string, longest int) (string, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("syslogsink: %w", err)
	}
	if omitted != "" {
		body = fmt.Appendf(body[:len(body)-1], `,%q:%q}`, omittedName, omitted)
	}
	m := new(rfc5424.SyslogMessage)
	m.SetPriority(s.c.Facility<<3 | uint8(min(s.c.Severity(e.Type), 7)))
	m.SetVersion(1)
	m.SetTimestamp(e.Time.UTC().Format(stampFormat))
	if s.c.Hostname != "" {
		m.SetHostname(s.c.Hostname)
	}
	m.SetAppname(s.c.AppName)
	if id := strings.TrimPrefix(string(e.Type), typePrefix); id != "" && isName(id, 32, "") {
		m.SetMsgID(id)
	}
	for name, value := range map[string]string{
		"id": e.ID, "type": string(e.Type), "source": e.Source, "subject": e.Subject, "serial": serialOf(e.Data), omittedName: omitted,
	} {
		if value = param(value, longest); value != "" {
			m.SetParameter(s.c.DataID, name, common.EscapeBytes(value))
		}
	}
	m.SetMessage(ascii(body))
	text, err := m.String()
	if err != nil || m.Message == nil || m.Timestamp == nil {
		return "", errors.New("syslogsink: the event makes no valid message")
	}
	return text, nil
}

// serialOf is the serial of the certificate that d is about.
func serialOf(d event.Data) string {
	switch d := d.(type) {
	case event.Certificate:
		return d.Serial
	case event.Revocation:
		return d.Serial
	case event.Refusal:
		return d.Serial
	case event.Truncation:
		return d.Serial
	}
	return ""
}

// param makes one bounded line of a value; consoles show it.
func param(v string, longest int) string {
	if len(v) > longest {
		v = v[:longest]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(v, ""))
}

// ascii escapes what is not ASCII in JSON: MSG in UTF-8 would have to begin with a byte order mark (RFC
// 5424, section 6.4), which parsers of JSON do not take.
func ascii(b []byte) string {
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
