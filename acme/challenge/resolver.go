package challenge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// What a lookup can end in besides an answer.
var (
	// ErrNoName is that the name does not exist. Any other error leaves open whether it does.
	ErrNoName = errors.New("no such name")

	// ErrUnsupported is that the resolver cannot ask for records of that type: a fault of this side.
	ErrUnsupported = errors.New("not supported by the resolver")
)

// A Resolver asks the DNS. Names are absolute, without a dot at the end. A name that exists and has no records
// of that type is an empty answer; one that does not exist is an error that wraps [ErrNoName]. Aliases are
// followed. Answers are limited in number and size. Safe for concurrent use.
type Resolver interface {
	LookupAddrs(ctx context.Context, name string) ([]netip.Addr, error)

	// LookupTXT returns each record with its strings joined.
	LookupTXT(ctx context.Context, name string) ([]string, error)

	// LookupCAA returns the records at exactly that name.
	LookupCAA(ctx context.Context, name string) ([]CAARecord, error)
}

// CAARecord is one property of RFC 8659, section 4.1, unchecked.
type CAARecord struct {
	Flag  uint8
	Tag   string
	Value string
}

// Limits of what is taken from an answer.
const (
	maxAddrs   = 32
	maxRecords = 256     // of TXT or CAA
	maxTXT     = 4 << 10 // bytes in one record; longer ones are passed over
)

// errTooMany is an answer beyond maxRecords: refused, since which records to leave out nobody can say.
var errTooMany = errors.New("more records than are looked at")

// System is the resolver of the operating system or of Go. It reads the hosts file, cannot ask for CAA, and
// does not tell a name that does not exist from one without records: both are [ErrNoName].
type System struct {
	Resolver *net.Resolver // required
}

// LookupAddrs implements [Resolver].
func (s System) LookupAddrs(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := s.Resolver.LookupNetIP(ctx, "ip", name+".") // absolute: no search list
	if err != nil {
		return nil, systemError(name, err)
	}
	return addrs[:min(len(addrs), maxAddrs)], nil
}

// LookupTXT implements [Resolver].
func (s System) LookupTXT(ctx context.Context, name string) ([]string, error) {
	all, err := s.Resolver.LookupTXT(ctx, name+".")
	if err != nil {
		return nil, systemError(name, err)
	}
	if len(all) > maxRecords {
		return nil, fmt.Errorf("challenge: TXT of %s: %w", name, errTooMany)
	}
	var out []string
	for _, txt := range all {
		if len(txt) <= maxTXT {
			out = append(out, txt)
		}
	}
	return out, nil
}

// LookupCAA implements [Resolver]: it fails with [ErrUnsupported].
func (s System) LookupCAA(_ context.Context, name string) ([]CAARecord, error) {
	return nil, fmt.Errorf("challenge: CAA of %s: %w", name, ErrUnsupported)
}

func systemError(name string, err error) error {
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return fmt.Errorf("challenge: %s: %w", name, ErrNoName)
	}
	return fmt.Errorf("challenge: looking up %s: %w", name, err)
}
