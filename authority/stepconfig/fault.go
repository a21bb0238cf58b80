package stepconfig

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a file, and where. Load and Config return all of them at once,
// joined; [Faults] takes them apart again.
type Fault struct {
	File   string // as it was named to Load
	Line   int    // 0 when the file as a whole is meant
	Path   string // the setting, such as authority.provisioners[1].claims.maxTLSCertDuration
	Reason string // never a secret
	Err    error  // the cause, if any
}

func (f *Fault) Error() string {
	s := f.File
	if f.Line > 0 {
		s += fmt.Sprintf(":%d", f.Line)
	}
	if f.Path != "" {
		s += ": " + f.Path
	}
	return s + ": " + f.Message()
}

// Message says what is wrong, without where.
func (f *Fault) Message() string {
	switch {
	case f.Err == nil:
		return f.Reason
	case f.Reason == "":
		return f.Err.Error()
	}
	return f.Reason + ": " + f.Err.Error()
}

func (f *Fault) Unwrap() error { return f.Err }

// Fault says that something is wrong with a setting of ca.json, such as crl, that only whoever used it could
// find out.
func (f *File) Fault(setting string, err error) error {
	n := &node{file: f.Path}
	if f.top != nil { // a File that nobody loaded has no lines
		n = f.top.find(setting)
	}
	return &Fault{File: n.file, Line: n.line, Path: setting, Err: err}
}

// Faults lists the faults in err, in the order of the file.
func Faults(err error) []*Fault {
	if err == nil {
		return nil
	}
	if f, ok := err.(*Fault); ok { //nolint:errorlint // the tree is walked by hand
		return []*Fault{f}
	}
	switch u := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() []error }:
		var all []*Fault
		for _, e := range u.Unwrap() {
			all = append(all, Faults(e)...)
		}
		return all
	case interface{ Unwrap() error }:
		return Faults(u.Unwrap())
	}
	return nil
}

// faults collects; the zero value is no error.
type faults struct{ all []error }

func (f *faults) add(n *node, format string, args ...any) {
	f.all = append(f.all, &Fault{File: n.file, Line: n.line, Path: n.path, Reason: fmt.Sprintf(format, args...)})
}

func (f *faults) wrap(n *node, err error) {
	f.all = append(f.all, &Fault{File: n.file, Line: n.line, Path: n.path, Err: err})
}

// err joins what was collected, in the order of each file.
func (f *faults) err() error {
	slices.SortStableFunc(f.all, func(a, b error) int {
		x, xok := a.(*Fault) //nolint:errorlint // never wrapped here
		y, yok := b.(*Fault) //nolint:errorlint // as above
		if !xok || !yok {
			return 0
		}
		return cmp.Or(strings.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
	})
	return errors.Join(f.all...)
}
