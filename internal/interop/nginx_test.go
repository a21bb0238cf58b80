package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// nginx is one that runs in a client's home.
type nginx struct {
	process *os.Process
	exited  chan struct{}
}

// nginx starts one with servers as in its configuration's http block, and returns at once.
func (c *client) nginx(servers string) *nginx {
	c.t.Helper()
	user := ""
	if os.Getuid() == 0 {
		user = "user root root;" // its workers need the home
	}
	c.write("nginx.conf", fmt.Sprintf(`daemon off; worker_processes 1; pid nginx.pid; error_log stderr notice; %s
events {}
http {
	access_log off;
	client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
	%s
}
`, user, servers))
	cmd := exec.Command(need(c.t, "nginx"), "-p", c.home, "-c", filepath.Join(c.home, "nginx.conf"))
	cmd.Dir, cmd.Env = c.home, environment(c.home)
	log := &output{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 5 * time.Second
	require.NoError(c.t, cmd.Start())
	n := &nginx{cmd.Process, make(chan struct{})}
	go func() {
		cmd.Wait()
		close(n.exited)
	}()
	c.t.Cleanup(func() {
		n.end()
		if c.t.Failed() {
			c.t.Logf("nginx:\n%s", log)
		}
	})
	return n
}

// reload has new workers read the files again, while the old ones finish.
func (n *nginx) reload() error { return n.process.Signal(syscall.SIGHUP) }

// end asks first: of a master that is killed the workers remain.
func (n *nginx) end() {
	n.process.Signal(syscall.SIGTERM)
	select {
	case <-n.exited:
	case <-time.After(20 * time.Second):
		n.process.Kill()
		<-n.exited
	}
}
