package challenge

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

var (
	errAliases = errors.New("aliases go on for too long, or in a circle")
	errForeign = errors.New("the answer is to another question")
)

// matches reports whether m is an answer to q.
func matches(q, m *dns.Msg, exact bool) error {
	if m.Id != q.Id || !m.Response || m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 {
		return errForeign
	}
	asked, got := q.Question[0], m.Question[0]
	if asked.Qtype != got.Qtype || asked.Qclass != got.Qclass || !strings.EqualFold(asked.Name, got.Name) || exact && asked.Name != got.Name {
		return errForeign
	}
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
		return nil
	}
	return fmt.Errorf("the server answers %s", dns.RcodeToString[m.Rcode]) // of a fixed table
}

// found is what an answer says about one type at a name.
type found struct {
	rrs   []dns.RR
	alias string // where the aliases end, if there are any and no records with them
	hops  int
}

// read takes from m the records of a type at the end of the chain of aliases that begins at name. Whatever else
// is in the answer is not looked at.
func read(m *dns.Msg, name string, kind uint16) (found, error) {
	var f found
	for at := name; ; f.hops++ {
		if f.hops > maxAlias {
			return found{}, errAliases
		}
		alias := ""
		for _, rr := range m.Answer {
			h := rr.Header()
			if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, at) {
				continue
			}
			if h.Rrtype == kind {
				f.rrs = append(f.rrs, rr)
			} else if c, ok := rr.(*dns.CNAME); ok && kind != dns.TypeCNAME {
				alias = dns.CanonicalName(c.Target)
			}
		}
		if len(f.rrs) > maxRecords {
			return found{}, errTooMany
		}
		if len(f.rrs) > 0 || alias == "" {
			break
		}
		at, f.alias = alias, alias
	}
	return f, verdict(m, f)
}

// verdict tells an answer without records from a server that does not know.
func verdict(m *dns.Msg, f found) error {
	switch {
	case len(f.rrs) > 0:
		return nil
	case m.Rcode == dns.RcodeNameError:
		return ErrNoName
	case f.alias == "" && !m.Authoritative && !m.RecursionAvailable:
		return errors.New("the server neither knows nor asks others")
	}
	return nil
}

func addrsOf(rrs []dns.RR) []netip.Addr {
	var out []netip.Addr
	for _, rr := range rrs {
		var ip netip.Addr
		switch r := rr.(type) {
		case *dns.A:
			ip, _ = netip.AddrFromSlice(r.A.To4())
		case *dns.AAAA:
			ip, _ = netip.AddrFromSlice(r.AAAA.To16()) // a mapped one stays so: Addresses sees through it
		}
		if ip.IsValid() && len(out) < maxAddrs/2 {
			out = append(out, ip)
		}
	}
	return out
}

func txtOf(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		r, ok := rr.(*dns.TXT)
		if !ok {
			continue
		}
		if txt := unescape(strings.Join(r.Txt, "")); len(txt) <= maxTXT {
			out = append(out, txt)
		}
	}
	return out
}

func caaOf(rrs []dns.RR) []CAARecord {
	var out []CAARecord
	for _, rr := range rrs {
		if r, ok := rr.(*dns.CAA); ok {
			out = append(out, CAARecord{Flag: r.Flag, Tag: r.Tag, Value: r.Value})
		}
	}
	return out
}

// unescape undoes how the library writes the bytes of a string: \" and \\, and \DDD for what does not print.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		if i+2 < len(s) && digit(s[i]) && digit(s[i+1]) && digit(s[i+2]) {
			out = append(out, (s[i]-'0')*100+(s[i+1]-'0')*10+s[i+2]-'0')
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
