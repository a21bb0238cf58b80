package interop

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// taken are the ports that freePort has given away, so that two servers never get the same one.
var taken sync.Map

// freePort is one that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		require.NoError(t, l.Close())
		if _, again := taken.LoadOrStore(port, true); !again {
			return port
		}
	}
}
