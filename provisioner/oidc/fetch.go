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

// fetcher gets documents. Its errors quote nothing of them.
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
	switch {
	case err != nil:
		return 0, fmt.Errorf("oidc: %w", err)
	case len(b) > maxDocument:
		return 0, fmt.Errorf("oidc: a document of the provider is longer than %d bytes", maxDocument)
	case json.Unmarshal(b, v) != nil:
		return 0, errors.New("oidc: a document of the provider is not the JSON that it should be")
	}
	return freshness(w.Header.Get("Cache-Control")), nil
}

// freshness reads max-age (RFC 9111, section 5.2.2.1), within bounds.
func freshness(header string) time.Duration {
	for d := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		if n, err := strconv.Atoi(strings.Trim(value, `"`)); strings.EqualFold(name, "max-age") && err == nil && n >= 0 {
			return min(max(time.Duration(min(n, 1<<30))*time.Second, freshMin), freshMax)
		}
	}
	return freshFor
}
