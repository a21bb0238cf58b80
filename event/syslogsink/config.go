package syslogsink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// Severity is how grave a message is: RFC 5424, table 2.
type Severity uint8

// The severities that events have.
const (
	Error   Severity = 3
	Warning Severity = 4
	Notice  Severity = 5
	Info    Severity = 6
)

// SeverityOf is the severity of a type, where Config names no other function: what is refused, cut or about
// to expire is a warning, abandoned issuance and a rejected configuration are errors, what changes the
// standing of certificates or of the authority is a notice, the rest information.
func SeverityOf(t event.Type) Severity {
	switch t {
	case event.CertificateRevoked, event.CertificateReleased, event.ConfigChanged:
		return Notice
	}
	switch level := t.Level(); {
	case level >= slog.LevelError:
		return Error
	case level >= slog.LevelWarn:
		return Warning
	}
	return Info
}

// Config says where events go, and as whose.
type Config struct {
	Address string      // required: host:port; the port of RFC 5425 is 6514
	TLS     *tls.Config // the system's roots and the host of Address if nil
	Plain   bool        // without TLS: everybody on the way can read and write events

	Hostname string // of this machine, at most 255 visible ASCII characters; empty is "-"
	AppName  string // at most 48; default "chancery"
	Facility uint8  // RFC 5424, table 1; zero is 10, authorization messages, as 0 is the kernel's
	// Severity of a type; nil is SeverityOf. Above 7 counts as 7, debug.
	Severity func(event.Type) Severity
	// DataID names the structured data, by name and a Private Enterprise Number; default
	// "chancery@32473", of the number for documentation (RFC 5612).
	DataID string

	// MaxMessage is in bytes; larger events are shortened. Default 8192, as RFC 5425 asks of servers; they all
	// take 2048 (section 4.3.1), which is the least.
	MaxMessage int
	Resend     int           // bytes kept for sending again; default 256 KiB, negative is none
	Timeout    time.Duration // for connecting, and for writing one message; default 10s

	// Dial makes connections, below TLS; nil is a net.Dialer. It is where an address policy belongs.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultApp     = "chancery"
	defaultData    = "chancery@32473"
	defaultMessage = 8192
	leastMessage   = 2048 // enough for what is left of any event
	defaultResend  = 256 << 10
	defaultTimeout = 10 * time.Second
	authpriv       = 10
)

// complete checks c, naming every fault, and puts defaults where c has zeros.
func (c *Config) complete() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("syslogsink: "+format, args...)) }
	host, port, err := net.SplitHostPort(c.Address)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || perr != nil || n == 0 {
		fault("Address %q is not host:port", c.Address)
	}
	if c.Plain && c.TLS != nil {
		fault("Plain with TLS")
	}
	if !isName(c.Hostname, 255, "") {
		fault("Hostname is not visible ASCII of at most 255 characters")
	}
	if !isName(c.AppName, 48, "") {
		fault("AppName is not visible ASCII of at most 48 characters")
	}
	if !isName(c.DataID, 32, `=]"`) {
		fault(`DataID is not visible ASCII of at most 32 characters without =, ] and "`)
	}
	if c.Facility > 23 {
		fault("Facility %d is above 23", c.Facility)
	}
	if c.MaxMessage != 0 && c.MaxMessage < leastMessage {
		fault("MaxMessage is below %d", leastMessage)
	}
	c.AppName, c.DataID = orElse(c.AppName, defaultApp), orElse(c.DataID, defaultData)
	c.Facility = orElse(c.Facility, authpriv)
	c.MaxMessage, c.Resend = orElse(c.MaxMessage, defaultMessage), orElse(c.Resend, defaultResend)
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Severity == nil {
		c.Severity = SeverityOf
	}
	c.completeNet(host)
	return errors.Join(faults...)
}

func (c *Config) completeNet(host string) {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 3}}).DialContext
	}
	if c.Plain {
		return
	}
	if c.TLS = c.TLS.Clone(); c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.TLS.MinVersion = max(c.TLS.MinVersion, tls.VersionTLS12)
	c.TLS.ServerName = orElse(c.TLS.ServerName, host)
}

// isName: visible ASCII without some; the empty name stands for a default.
func isName(s string, most int, without string) bool {
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(without, r) })
}

func orElse[T comparable](v, zero T) T {
	var none T
	if v == none {
		return zero
	}
	return v
}
