package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxDocument is how long a document may be, in bytes.
const maxDocument = 1 << 20

// fetcher gets documents. Its errors quote nothing of them but the address that they give for the keys.
type fetcher struct{ client *http.Client }

// json reads a document into v, and tells how long it may be kept.
func (f fetcher) json(ctx context.Context, url string, v any) (fresh time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, errors.New("oidc: the URL of a document is none")
	}
	r.Header.Set("Accept", "application/json")
	w, err := f.client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("oidc: %w", err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("oidc: the provider answers with status %d", w.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(w.Body, maxDocument+1))
	if err == nil {
		err = ctx.Err() // a body that was cut off may look as if it had ended
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("oidc: %w", err)
	case len(b) > maxDocument:
		return 0, fmt.Errorf("oidc: a document of the provider is longer than %d bytes", maxDocument)
	case json.Unmarshal(b, v) != nil:
		return 0, errors.New("oidc: a document of the provider is not the JSON that it should be")
	}
	return freshness(strings.Join(w.Header.Values("Cache-Control"), ",")), nil
}

// freshness reads max-age, no-cache and no-store (RFC 9111, section 5.2.2), within bounds.
func freshness(header string) time.Duration {
	fresh := freshFor
	for d := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		switch n, err := strconv.Atoi(strings.Trim(value, `"`)); {
		case strings.EqualFold(name, "no-cache"), strings.EqualFold(name, "no-store"):
			return freshMin
		case strings.EqualFold(name, "max-age") && err == nil && n >= 0:
			fresh = min(max(time.Duration(min(n, 1<<30))*time.Second, freshMin), freshMax)
		}
	}
	return fresh
}
