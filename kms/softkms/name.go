package softkms

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/chancery-ca/chancery/kms"
)

const scheme = "softkms:"

// Path returns the path that a key's name stands for: the name itself, or the path parameter of a
// softkms URI, percent-decoded. A parameter that is not known, and a URI with another scheme, are
// errors; a file whose name looks like one is reached as "./name".
func Path(name string) (string, error) {
	if name == "" {
		return "", errors.New("softkms: a key without a name")
	}
	rest, ok := strings.CutPrefix(name, scheme)
	if !ok {
		if s := otherScheme(name); s != "" {
			return "", fmt.Errorf("softkms: names with scheme %q: %w", s, kms.ErrUnsupported)
		}
		if strings.ContainsRune(name, 0) {
			return "", errors.New("softkms: a name with a NUL byte")
		}
		return name, nil
	}
	var path string
	for p := range strings.SplitSeq(rest, ";") {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k != "path" {
			return "", fmt.Errorf("softkms: unknown parameter %.40q in the URI of a key", k) // never its value: it may be a PIN
		}
		if path != "" {
			return "", errors.New("softkms: path given twice in the URI of a key")
		}
		if strings.ContainsAny(v, "?#") {
			return "", errors.New("softkms: the URI of a key takes no query and no fragment")
		}
		d, err := url.PathUnescape(v)
		if err != nil || d == "" || strings.ContainsRune(d, 0) {
			return "", errors.New("softkms: no valid path in the URI of a key")
		}
		path = d
	}
	return path, nil
}

// schemes have two letters at least, so that C:\ is none.
var schemeRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

func otherScheme(name string) string { return strings.TrimSuffix(schemeRE.FindString(name), ":") }
