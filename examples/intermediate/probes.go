package main

import (
	"net/http"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
)

// probes adds what orchestrators ask: /livez, whether the process answers, and /readyz, whether it could sign
// now. /health is step-ca's, and says no more than /livez.
func probes(ca *authority.Authority, api http.Handler, o *httpapi.ReadyOptions) http.Handler {
	live, ready := httpapi.Live(), httpapi.Ready(ca, o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez":
			live.ServeHTTP(w, r)
		case "/readyz":
			ready.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}
