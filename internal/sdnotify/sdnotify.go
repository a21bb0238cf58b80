// Package sdnotify tells a service manager how its service is doing, in the protocol of systemd's
// sd_notify. Reading NOTIFY_SOCKET from the environment is the program's matter.
package sdnotify

import (
	"fmt"
	"net"
	"strings"
)

// The states there are. They suit units of Type=notify; Reloading is followed by Ready.
const (
	Ready     = "READY=1"
	Reloading = "RELOADING=1"
	Stopping  = "STOPPING=1"
)

// Status is a line for people.
func Status(format string, args ...any) string {
	return "STATUS=" + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
}

// Notifier sends to one socket. The zero value, and nil, send nothing.
type Notifier struct{ Socket string } // a path, or an abstract name behind an at sign

// Notify sends states in one datagram. It does not wait for an answer: there is none.
func (n *Notifier) Notify(states ...string) error {
	if n == nil || n.Socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.Socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("sdnotify: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("sdnotify: %w", err)
	}
	return nil
}
