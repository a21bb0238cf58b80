package httpapi

import (
	"net/http"
	"strings"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// guest hands a request on to the provisioner whose protocol is spoken at that path. Which one there are is asked anew
// each time, as everything is. A path that nobody has is not found.
func (a *api) guest(c *call) error {
	ca, ok := a.ca.(*authority.Authority)
	if !ok {
		c.notFound()
		return nil
	}
	path := strings.TrimPrefix(c.r.URL.Path, "/2.0")
	for _, p := range a.ca.Provisioners() {
		g, ok := provisioner.As[authority.Guest](p)
		if !ok {
			continue
		}
		mount := "/" + g.Path()
		if rest, ok := strings.CutPrefix(path, mount); ok && strings.HasPrefix(rest, "/") {
			c.provisioner = p.Name()
			prefix := c.r.URL.Path[:len(c.r.URL.Path)-len(rest)]
			http.StripPrefix(prefix, g.Handler(ca)).ServeHTTP(&watched{ResponseWriter: c.w, c: c}, c.r)
			return nil
		}
	}
	c.notFound()
	return nil
}
