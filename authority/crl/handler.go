package crl

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Handler serves the CRLs of all issuers of the authority, those included for which none are made any
// more. It answers GET and HEAD of
//
//	/crl                            the complete CRL of the default issuer, as step-ca does
//	/crl/{issuer}.crl               the complete one of an issuer, whose name is escaped as one segment
//	/crl/{issuer}/delta.crl         its delta
//	/crl/{issuer}/{shard}.crl       that of a shard; shard 0 is the complete one
//	/crl/{issuer}/{shard}/delta.crl its delta
//
// in DER, or in PEM with a query of pem=1. Behind a prefix, use http.StripPrefix. It needs no Run in this
// process: the store is asked for newer CRLs, once a second at most for each, and they are kept in memory.
// While the store is out of reach, CRLs that have not lapsed go on being served.
//
// A CRL that has lapsed is served, too, if the store has no newer one, but no cache may keep it: whether it
// still counts is for relying parties to say, and some of them allow for a time of grace.
func (p *Publisher) Handler() http.Handler { return http.HandlerFunc(p.serve) }

func (p *Publisher) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	scope, expected, ok := p.find(r.URL.EscapedPath())
	if !ok {
		refuse(w, http.StatusNotFound)
		return
	}
	c, err := p.cache.get(r.Context(), scope, expected)
	now := time.Now()
	switch {
	case err != nil && (c == nil || !c.valid(now)), c == nil && expected: // it is about to be made
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable)
	case c == nil:
		refuse(w, http.StatusNotFound)
	default:
		if !c.valid(now) && !c.lapsed.Swap(true) {
			p.o.Logger.ErrorContext(r.Context(), "the CRL that is served has lapsed", "issuer", c.Issuer, "shard", c.Shard, "delta", c.Delta, "nextUpdate", c.NextUpdate)
		}
		p.send(w, r, c, now)
	}
}

// refuse answers without a CRL. Nobody is to keep that answer.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}

// find returns the series that a path names, and whether there should be one.
func (p *Publisher) find(path string) (s authority.CRLScope, expected, ok bool) {
	if s, ok = parsePath(path); !ok {
		return s, false, false
	}
	for _, i := range p.ca.Issuers() {
		if i.Name == s.Issuer || s.Issuer == "" && i.State == authority.Active {
			s.Issuer = i.Name
			return s, s.Shard <= i.Pointers.Shards && (!s.Delta || p.o.deltas(&i)) && p.wants(&i), true
		}
	}
	return s, false, false
}

// send answers with a CRL, or with the word that the client has it.
func (p *Publisher) send(w http.ResponseWriter, r *http.Request, c *served, now time.Time) {
	body, kind, name, tag := c.DER, "application/pkix-crl", "crl.crl", `"`+c.tag+`"`
	if r.URL.Query().Get("pem") != "" {
		body, kind, name, tag = c.armoured(), "application/x-pem-file", "crl.pem", `"`+c.tag+`-pem"`
	}
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Last-Modified", c.modified)
	if age := p.maxAge(c, now); age > 0 {
		h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age/time.Second)))
		h.Set("Expires", now.Add(age).UTC().Format(http.TimeFormat))
	} else {
		h.Set("Cache-Control", "no-store")
	}
	if unchanged(r.Header, tag, c.modified) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		w.Write(body) // nobody is left to hear of an error
	}
}

// overdue is how long a CRL may be kept that should have been replaced already.
const overdue = 10 * time.Second

// maxAge is how long a CRL may be kept: until the next one is due at most, and never past its nextUpdate.
func (p *Publisher) maxAge(c *served, now time.Time) time.Duration {
	age := max(overdue, p.o.due(c.CRL).Sub(now))
	return max(0, min(age, p.o.MaxAge, c.NextUpdate.Sub(now))).Truncate(time.Second)
}

// unchanged says whether the client has what it would get (RFC 9110, section 13.2.2). Dates must be equal:
// one that is merely later than ours may be that of a CRL from another node, or from before a restore.
func unchanged(h http.Header, tag, modified string) bool {
	if given := h.Values("If-None-Match"); len(given) > 0 {
		for t := range strings.SplitSeq(strings.Join(given, ","), ",") {
			if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == tag || t == "*" {
				return true
			}
		}
		return false
	}
	return h.Get("If-Modified-Since") == modified
}
