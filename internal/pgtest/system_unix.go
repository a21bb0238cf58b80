//go:build unix

package pgtest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

const supported = true

// account is who runs the server: this user, or for root, whom it does not accept, another.
func account() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
	}
	return nil, errors.New("root may not run it, and there is no user postgres or nobody")
}

// own gives a folder to the account.
func own(dir string) error {
	c, err := account()
	if c == nil || err != nil {
		return err
	}
	return os.Chown(dir, int(c.Uid), int(c.Gid))
}

func demote(cmd *exec.Cmd) error {
	c, err := account()
	if c != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	return err
}

// watch starts a shell that, when this process is gone and its end of the pipe with it, ends the server and
// removes the folder.
func watch(data, dir string) (io.Closer, error) {
	cmd := exec.Command("/bin/sh", "-c", `read _; kill -QUIT "$(head -n 1 "$1/postmaster.pid" 2>&-)" 2>&-; rm -rf "$2"`, "sh", data, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is not for it
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return watcher{in, cmd}, nil
}

type watcher struct {
	io.Closer
	cmd *exec.Cmd
}

func (w watcher) Close() error { return errors.Join(w.Closer.Close(), w.cmd.Wait()) }
