package provisioner_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
)

func TestMatchAudience(t *testing.T) {
	cases := []struct {
		aud, want, fragment string
		ok                  bool
	}{
		{"https://ca.internal/1.0/sign", "https://ca.internal/1.0/sign", "", true},
		{"HTTPS://CA.Internal:443/1.0/sign", "https://ca.internal/1.0/sign", "", true},
		{"https://ca.internal:9000/sign", "https://ca.internal:9000/sign", "", true},
		{"https://ca.internal:9001/sign", "https://ca.internal:9000/sign", "", false},
		{"https://ca.internal/sign", "https://ca.internal:9000/sign", "", false},
		{"https://ca.internal:9001/sign", "https://ca.internal:*/sign", "", true},
		{"https://ca.internal/sign", "https://ca.internal:*/sign", "", true},
		{"https://ca.internal:*/sign", "https://ca.internal:*/sign", "", false},
		{"https://[2001:DB8::1]:9000/sign", "https://[2001:db8:0::1]:9000/sign", "", true},
		{"https://ca.internal/sign#x5c/a", "https://ca.internal/sign", "x5c/a", true},
		{"https://ca.internal/sign#x5c/a%20b", "https://ca.internal/sign", "x5c/a b", true},
		{"https://ca.internal/sign#x5c/a", "https://ca.internal/sign", "x5c/ab", false},
		{"https://ca.internal/sign#x5c/a", "https://ca.internal/sign", "", false},
		{"https://ca.internal/sign", "https://ca.internal/sign", "x5c/a", false},
		{"https://ca.internal/sign#x5c/a", "https://ca.internal/sign#x5c/a", "", false},
		{"https://ca.internal/Sign", "https://ca.internal/sign", "", false},
		{"https://ca.internal/1.0%2Fsign", "https://ca.internal/1.0/sign", "", false},
		{"https://ca.internal/sign?", "https://ca.internal/sign", "", false},
		{"https://a@ca.internal/sign", "https://ca.internal/sign", "", false},
		{"http://ca.internal/sign", "http://ca.internal/sign", "", false},
		{"https:ca.internal/sign", "https://ca.internal/sign", "", false},
		{"//ca.internal/sign", "https://ca.internal/sign", "", false},
		{"https:///sign", "https:///sign", "", false},
		{"https://\u212ainternal/sign", "https://kinternal/sign", "", false}, // the Kelvin sign is no k
		{"https://ca.internal/a:*/sign", "https://ca.internal/a/sign", "", false},
		{"step-certificate-authority", "step-certificate-authority", "", false},
		{"", "", "", false},
	}
	for _, c := range cases {
		require.Equal(t, c.ok, provisioner.MatchAudience([]string{"https://other", c.aud}, []string{"https://another", c.want}, c.fragment), "%q for %q", c.aud, c.want)
	}
	require.False(t, provisioner.MatchAudience(nil, []string{"https://ca"}, ""))
	require.False(t, provisioner.MatchAudience([]string{"https://ca"}, nil, ""))
	require.Equal(t, "x5c/a b", provisioner.AudienceFragment("https://ca/sign#x5c/a%20b"))
	require.Empty(t, provisioner.AudienceFragment("http://ca/sign#x5c/a"))
}
