package interop

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"
)

// When to renew is said in full seconds. Caddy asks for more than one between them, and takes what is less for a mistake,
// with which it comes back twice before it gives its certificate out.
func TestACMERenewalWindow(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{10 * time.Second, time.Hour, 9 * 365 * 24 * time.Hour} {
		l := newACMELab(t, acmeOptions{authority: acmeShort(life)})
		leaf, _ := l.xorder(t.Context(), l.xclient(&xacme.Account{}), l.host(), "http-01", xacme.DomainIDs("a.interop.test")...)
		b64 := base64.RawURLEncoding.EncodeToString
		res, err := l.client().Get(l.url + "/acme/acme/renewal-info/" + b64(leaf.AuthorityKeyId) + "." + b64(leaf.SerialNumber.Bytes())) // begins with a bit that is not set
		require.NoError(t, err)
		defer res.Body.Close()
		var info struct {
			SuggestedWindow struct{ Start, End time.Time }
		}
		require.NoError(t, json.NewDecoder(res.Body).Decode(&info))
		w := info.SuggestedWindow
		require.GreaterOrEqual(t, w.End.Sub(w.Start), 2*time.Second, "%s", life)
		require.WithinRange(t, w.Start, leaf.NotBefore.Add(life/2), leaf.NotBefore.Add(life*2/3), "%s", life)
		require.WithinRange(t, w.End, w.Start, leaf.NotAfter, "%s", life)
	}
}
