package stepconfig

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/chancery-ca/chancery/acme/challenge"
)

// system is the system's resolver, which does not find localhost where it is only in the hosts file: asked for an
// absolute name, as strangers' must be, Go takes no name of one label from there.
type system struct{ challenge.System }

func newSystem() system { return system{challenge.System{Resolver: &net.Resolver{}}} }

// LookupAddrs knows localhost and what is below it (RFC 6761, section 6.3). Whether anybody is let in there is for the
// address policy to say.
func (s system) LookupAddrs(ctx context.Context, name string) ([]netip.Addr, error) {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	return s.System.LookupAddrs(ctx, name)
}
