package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/event"
)

const maxID = 256 // bytes

var errID = errors.New("webhook: the event's ID is not one of 1 to 256 visible ASCII characters without a full stop")

// request makes a signed one. Its errors are the event's fault.
func (s *Sink) request(ctx context.Context, e event.Event) (*http.Request, error) {
	// The signature puts a full stop after the ID, so one in it could be read in two ways.
	if e.ID == "" || len(e.ID) > maxID || strings.ContainsFunc(e.ID, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '.' }) {
		return nil, errID
	}
	to, always := s.private()
	header := always.Clone()
	if header == nil {
		header = http.Header{}
	}
	encode := structured
	if s.mode == Binary {
		encode = binary
	}
	body, err := encode(e, header)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	now := time.Now()
	header.Set("webhook-id", e.ID)
	header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	if len(s.secrets) > 0 {
		signature, err := signatures(s.secrets, e.ID, now, body)
		if err != nil {
			return nil, err
		}
		header.Set("webhook-signature", signature)
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "chancery")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("webhook: the URL is not usable")
	}
	req.Header = header
	return req, nil
}

// structured: CloudEvents HTTP protocol binding, section 3.2.
func structured(e event.Event, h http.Header) ([]byte, error) {
	h.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	return json.Marshal(e)
}

// binary: section 3.1.
func binary(e event.Event, h http.Header) ([]byte, error) {
	at, err := e.Time.UTC().MarshalText()
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": e.ID, "ce-source": e.Source, "ce-type": string(e.Type),
		"ce-subject": e.Subject, "ce-time": string(at),
	} {
		if value != "" {
			h.Set(name, percent(value))
		}
	}
	if e.Data == nil {
		return nil, nil
	}
	h.Set("Content-Type", "application/json")
	return json.Marshal(e.Data)
}

// percent encodes a header's value: section 3.1.3.2.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToValidUTF8(s, "\ufffd")) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
