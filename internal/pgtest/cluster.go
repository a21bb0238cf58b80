package pgtest

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// cluster is a server that this process made, on a Unix socket in a folder of its own.
type cluster struct {
	bin, dir, data string
	watch          io.Closer // of the process that ends the server when this one is killed
}

// settings of the servers: as durable as usual. Autovacuum is off because its transactions hold back, for a
// moment, what an outbox shows, and tests look at once.
const settings = `
listen_addresses = ''
max_connections = 200
shared_buffers = 128MB
autovacuum = off
log_min_messages = warning
`

func newCluster() (c *cluster, err error) {
	if !supported {
		return nil, fmt.Errorf("%w: on this system tests do not run their own", errAbsent)
	}
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	c = &cluster{bin: bin, dir: dir, data: filepath.Join(dir, "data")}
	defer func() {
		if err != nil {
			c.remove()
		}
	}()
	if err := own(dir); err != nil {
		return nil, err
	}
	if err := c.run("initdb", "--pgdata", c.data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(f, "%sunix_socket_directories = '%s'\n", settings, dir)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if c.watch, err = watch(c.data, dir); err != nil {
		return nil, err
	}
	return c, c.start()
}

// programs finds the folder of initdb and pg_ctl: that of the PATH, or the newest of Debian's.
func programs() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errAbsent
	}
	slices.SortFunc(found, func(a, b string) int { // 9 before 15
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return filepath.Dir(found[len(found)-1]), nil
}

func (c *cluster) url() url.URL {
	return url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: url.Values{"host": {c.dir}}.Encode()}
}

func (c *cluster) start() error { return c.control("start", "-t", "120") }

func (c *cluster) control(action string, more ...string) error {
	return c.run("pg_ctl", append([]string{action, "-w", "-D", c.data, "-l", filepath.Join(c.dir, "log")}, more...)...)
}

// run runs a program of the server's as a user that it accepts.
func (c *cluster) run(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if err := demote(cmd); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(c.dir, program+".out")) // not a pipe, which the server would inherit
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		return fmt.Errorf("%s %s: %w\n%s\n%s", program, strings.Join(args, " "), err, said, log)
	}
	return nil
}

func (c *cluster) remove() {
	c.control("stop", "-m", "immediate") // fails if it was stopped
	os.RemoveAll(c.dir)
	if c.watch != nil {
		c.watch.Close()
	}
}
