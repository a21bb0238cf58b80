package main

import (
	"errors"
	"os"
)

// lines is a file to which whole lines are appended. Each is on the disk before it counts as delivered.
type lines struct{ *os.File }

func openLines(path string) (*lines, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &lines{f}
	if err := l.mend(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// mend ends a line that a crash has cut off.
func (l *lines) mend() error {
	info, err := l.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := l.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = l.Write([]byte("\n"))
	return err
}

func (l *lines) Write(p []byte) (int, error) {
	n, err := l.File.Write(p)
	if err == nil {
		err = l.Sync()
	}
	return n, err
}
