package sdnotify_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/internal/sdnotify"
)

func TestNotify(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no unix datagram sockets")
	}
	dir, err := os.MkdirTemp("", "n") // t.TempDir may be longer than a socket's name can be
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()

	n := &sdnotify.Notifier{Socket: path}
	require.NoError(t, n.Notify(sdnotify.Ready, sdnotify.Status("two\nlines")))
	b := make([]byte, 100)
	require.NoError(t, l.SetReadDeadline(time.Now().Add(10*time.Second)))
	k, err := l.Read(b)
	require.NoError(t, err)
	require.Equal(t, "READY=1\nSTATUS=two lines", string(b[:k]))

	require.Error(t, (&sdnotify.Notifier{Socket: path + "-gone"}).Notify(sdnotify.Ready))
}

func ExampleNotifier() {
	var n *sdnotify.Notifier // not started by a service manager
	fmt.Println(n.Notify(sdnotify.Ready))
	// Output: <nil>
}
