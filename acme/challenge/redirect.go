package challenge

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/chancery-ca/chancery/acme"
)

// maxLocation bounds a URL that a redirect goes to, in bytes.
const maxLocation = 2 << 10

// target is a URL that http-01 may ask.
type target struct {
	url        *url.URL
	host       string // a name in lower case, or an address without brackets
	port       uint16
	redirected bool
}

// where names a target for clients: the port, and not the host that a redirect named.
func (t target) where() string {
	if t.redirected {
		return fmt.Sprintf(", port %d of what it redirects to", t.port)
	}
	return fmt.Sprintf(", port %d", t.port)
}

// serverName is for SNI, which has no addresses in it.
func (t target) serverName() string {
	if _, err := netip.ParseAddr(t.host); err == nil {
		return ""
	}
	return t.host
}

// next reads where a redirect goes.
func (v *HTTP01) next(from target, location string) (target, error) {
	if location == "" || len(location) > maxLocation {
		return target{}, errors.New("a redirect without one address to go to, or with one too long")
	}
	u, err := from.url.Parse(location)
	if err != nil {
		return target{}, errors.New("a redirect to what is no URL")
	}
	to, err := v.target(u)
	to.redirected = true
	return to, err
}

// target checks a URL: http on its port or https on its, a host that an identifier could be, and nothing that
// has no business in a file's address.
func (v *HTTP01) target(u *url.URL) (target, error) {
	t := target{url: u, port: v.cfg.HTTPPort}
	switch {
	case u.Scheme == "https":
		t.port = v.cfg.TLSPort
	case u.Scheme != "http":
		return t, errors.New("neither http nor https")
	}
	switch {
	case u.Opaque != "":
		return t, errors.New("no host")
	case u.User != nil:
		return t, errors.New("a URL with credentials")
	case u.Fragment != "" || u.RawFragment != "":
		return t, errors.New("a URL with a fragment")
	}
	if p := u.Port(); p != "" && p != strconv.Itoa(int(t.port)) {
		return t, errors.New("another port")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		if ip.Zone() != "" {
			return t, errors.New("an address with a zone")
		}
		t.host = ip.String()
		return t, nil
	}
	id, err := acme.ParseIdentifier(acme.DNS, u.Hostname())
	if err != nil || id.Wildcard() {
		return t, errors.New("a host that is neither a name nor an address")
	}
	t.host = id.Value
	return t, nil
}
