package httpapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// How many provisioners there are on a page.
const (
	pageDefault = 20
	pageMax     = 100
)

// published is one entry of the list. A provisioner may have several.
type published struct {
	cursor string
	entry  any
}

// provisioners answers with a page of the list, in the order of the configuration. The page begins at
// the cursor, which names an entry and not a place, so that pages fit together across a change.
func (a *api) provisioners(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badRequest("query", "the query cannot be parsed")
	}
	limit, err := pageLimit(query.Get("limit"))
	if err != nil {
		return err
	}
	all := a.published()
	page := all[start(all, query.Get("cursor")):]
	body := struct {
		Provisioners []json.RawMessage `json:"provisioners"`
		Next         string            `json:"nextCursor"`
	}{Provisioners: []json.RawMessage{}}
	if len(page) > limit {
		body.Next, page = page[limit].cursor, page[:limit]
	}
	for _, p := range page {
		b, err := json.Marshal(p.entry)
		if err != nil {
			return fmt.Errorf("httpapi: encoding a provisioner: %w", err)
		}
		body.Provisioners = append(body.Provisioners, b)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("httpapi: encoding the provisioners: %w", err)
	}
	c.json(http.StatusOK, b)
	return nil
}

// published flattens what the provisioners publish of themselves.
func (a *api) published() []published {
	var all []published
	for _, p := range a.ca.Provisioners() {
		pub, ok := provisioner.As[provisioner.Publisher](p)
		if !ok {
			continue
		}
		entries, several := pub.Public().([]any)
		if !several {
			entries = []any{pub.Public()}
		}
		for i, e := range entries {
			all = append(all, published{cursor(len(all), i, p.Name()), e})
		}
	}
	return all
}

// cursor names the entry at place in the list, the i-th one of the provisioner with that name.
func cursor(place, i int, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", i, name))
	return fmt.Sprintf("%08x%s", place, hex.EncodeToString(sum[:16]))
}

// start returns where the page at cursor begins: at the entry that it names, wherever that is now; at
// its old place when the entry is gone; and at the beginning for what is no cursor.
func start(all []published, cursor string) int {
	if len(cursor) != 40 {
		return 0
	}
	for i, p := range all {
		if p.cursor[8:] == cursor[8:] {
			return i
		}
	}
	place, err := strconv.ParseUint(cursor[:8], 16, 31)
	if err != nil {
		return 0
	}
	return min(int(place), len(all))
}

func pageLimit(s string) (int, error) {
	if s == "" {
		return pageDefault, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, badRequest("limit", "limit is not an integer")
	}
	return min(cmp.Or(max(n, 0), pageDefault), pageMax), nil
}

// encryptedKey answers with the private key of a provisioner, encrypted with its password.
func (a *api) encryptedKey(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	for _, p := range a.ca.Provisioners() {
		pub, ok := provisioner.As[provisioner.Publisher](p)
		if !ok {
			continue
		}
		if jwe, ok := pub.EncryptedKey(c.param); ok && strings.Count(jwe, ".") == 4 { // never anything but a JWE
			c.json(http.StatusOK, mustJSON(map[string]string{"key": jwe}))
			return nil
		}
	}
	return &authority.Error{Kind: authority.NotFound, Code: "kid", Reason: "no provisioner publishes a key with that id"}
}
