package krl

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP answers GET and HEAD with the list, whatever the path: mount it where it shall be. Whoever has
// the present one, by its ETag, is told so. While no list can be had the answer is 503.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	l, err := p.List(r.Context())
	if err != nil {
		w.Header().Set("Retry-After", "5")
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "there is no revocation list at the moment", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("ETag", l.ETag)
	h.Set("Last-Modified", l.Generated.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "max-age="+strconv.FormatInt(int64(p.o.MaxAge/time.Second), 10))
	if names(r.Header.Values("If-None-Match"), l.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(l.Bytes)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(l.Bytes) // nobody is left to hear of an error
	}
}

// names reports whether one of the tags of If-None-Match is that one (RFC 9110, section 13.1.2).
func names(header []string, tag string) bool {
	for _, v := range header {
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one == "*" || slices.Contains([]string{tag, "W/" + tag}, one) {
				return true
			}
		}
	}
	return false
}
