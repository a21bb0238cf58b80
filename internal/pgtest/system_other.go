//go:build !unix

package pgtest

import (
	"errors"
	"io"
	"os/exec"
)

const supported = false

func own(string) error { return nil }

func demote(*exec.Cmd) error { return nil }

func watch(string, string) (io.Closer, error) { return nil, errors.ErrUnsupported }
