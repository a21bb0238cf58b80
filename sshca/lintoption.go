package sshca

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// What OpenSSH knows, all of it for users. Extensions have no values.
var (
	userOptions = map[string]func(value string) string{ // what is wrong with a value
		"force-command":   wrongCommand,
		"source-address":  wrongAddresses,
		"verify-required": wrongFlag,
	}
	userExtensions = []string{
		"no-touch-required", "permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty", "permit-user-rc",
	}
)

const (
	maxOptionName = 64 // RFC 4251, section 6
	maxAddress    = 49 // bytes of one in a list; OpenSSH's limit
)

func lintOptions(c *ssh.Certificate, rules Rules) *Problem {
	host := c.CertType == ssh.HostCert
	for _, name := range slices.Sorted(maps.Keys(c.CriticalOptions)) {
		wrong, ours := userOptions[name]
		switch {
		case ours && host:
			return problem(UserOption, "a host certificate with the critical option %q, which is for users", name)
		case ours:
			if why := wrong(c.CriticalOptions[name]); why != "" {
				return problem(WrongValue, "the critical option %q %s", name, why)
			}
		case !slices.Contains(rules.CriticalOptions, name) || !printable(name):
			return problem(UnknownOption, "the critical option %.60q is unknown, and sshd would refuse the certificate", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Extensions)) {
		ours := slices.Contains(userExtensions, name)
		switch {
		case ours && host:
			return problem(UserOption, "a host certificate with the extension %q, which is for users", name)
		case ours && c.Extensions[name] != "":
			return problem(WrongValue, "the extension %q has a value", name)
		case ours || vendors(name) || slices.Contains(rules.Extensions, name) && printable(name):
		default:
			return problem(UnknownExtension, "the extension %.60q is unknown, and not of the form name@domain", name)
		}
	}
	return nil
}

// vendors reports whether name is of the form that RFC 4251 (section 6) leaves to everybody.
func vendors(name string) bool {
	local, domain, ok := strings.Cut(name, "@")
	return ok && local != "" && domain != "" && !strings.Contains(domain, "@") && printable(name)
}

func printable(name string) bool {
	return name != "" && len(name) <= maxOptionName &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' })
}

func wrongFlag(value string) string {
	if value != "" {
		return "has a value"
	}
	return ""
}

// wrongCommand lets everything through that a shell can be given: sshd logs it escaped.
func wrongCommand(value string) string {
	switch {
	case strings.TrimSpace(value) == "":
		return "is empty"
	case strings.ContainsRune(value, 0):
		return "has a NUL, where sshd would stop to read"
	}
	return ""
}

// wrongAddresses reads a list as OpenSSH does (addr_match_cidr_list): a prefix has no bits where its
// length has none, and nothing but commas is around it.
func wrongAddresses(value string) string {
	for a := range strings.SplitSeq(value, ",") {
		if len(a) > maxAddress || wrongAddress(a) {
			return "is not a list of addresses and prefixes"
		}
	}
	return ""
}

func wrongAddress(a string) bool {
	if !strings.Contains(a, "/") {
		ip, err := netip.ParseAddr(a)
		return err != nil || ip.Zone() != "" || ip.Is4In6()
	}
	p, err := netip.ParsePrefix(a)
	return err != nil || p != p.Masked() || p.Addr().Is4In6()
}
