package envelope

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/acme"
)

// ContentType is the media type of requests (RFC 8555, section 6.2).
const ContentType = "application/jose+json"

// Request is a request that was taken apart. Nothing in it has been verified.
type Request struct {
	Algorithm jose.SignatureAlgorithm
	Nonce     string // base64url; see [Nonces.Check]
	URL       string // the one that was expected
	KeyID     string // kid, the account's URL; empty if the request brings its key
	Key       *Key   // jwk; nil if the request names an account

	flat *flat
}

// CheckContentType returns a refusal, of status 415, unless h says once that the body is a request.
func CheckContentType(h http.Header) error {
	v := h.Values("Content-Type")
	if len(v) == 1 {
		t, params, err := mime.ParseMediaType(v[0])
		charset, there := params["charset"]
		// The type has no parameters, but some HTTP libraries add the one that changes nothing to whatever is text.
		if err == nil && t == ContentType && (len(params) == 0 || len(params) == 1 && there && strings.EqualFold(charset, "utf-8")) {
			return nil
		}
	}
	p := malformed("the content type is not %s", ContentType)
	p.Status = http.StatusUnsupportedMediaType
	return p
}

// Read reads a body of at most [MaxBody] bytes and parses it. That the sender is slow is for the server's timeouts.
func Read(body io.Reader, url string) (*Request, error) {
	b, err := io.ReadAll(io.LimitReader(body, MaxBody+1))
	if err != nil {
		p := malformed("the body could not be read")
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			p = malformed("the body is over the limit of %d bytes", MaxBody)
			p.Status = http.StatusRequestEntityTooLarge
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			p.Status = http.StatusRequestTimeout
		}
		p.Cause = err
		return nil, p
	}
	return Parse(b, url)
}

// Parse takes a request apart that was sent to url. The URL in the request must be that one byte by byte (RFC 8555, section
// 6.4): what url is behind a proxy is for the caller to know, from its configuration rather than from the request.
func Parse(body []byte, url string) (*Request, error) {
	const what = "the request"
	if len(body) > MaxBody {
		p := malformed("the body is over the limit of %d bytes", MaxBody)
		p.Status = http.StatusRequestEntityTooLarge
		return nil, p
	}
	f, p := parseFlat(body, what, accepted[:])
	if p != nil {
		return nil, p
	}
	r := &Request{Algorithm: f.alg, URL: f.url, flat: f}
	if p = r.identify(); p != nil {
		return nil, p
	}
	var ok bool
	if r.Nonce, ok = f.header["nonce"].(string); !ok || !isNonce(r.Nonce) {
		return nil, malformed("the protected header lacks nonce, or it is not base64url")
	}
	if f.url != url {
		return nil, refuse(acme.Unauthorized, "the url in the request is not the one it was sent to")
	}
	return r, nil
}

// identify reads jwk or kid.
func (r *Request) identify() (p *acme.Problem) {
	f := r.flat
	if f.has("jwk") == f.has("kid") {
		return malformed("the protected header needs either jwk or kid, and one of them only")
	}
	if f.has("jwk") {
		r.Key, p = f.jwk("the request")
		return p
	}
	var ok bool
	if r.KeyID, ok = f.header["kid"].(string); !ok || !visible(r.KeyID, MaxURL) {
		return malformed("the kid is not the URL of an account")
	}
	return nil
}

// Verify checks the signature. A request that names an account is verified with the account's key; for one that brings its
// own, account is nil. To mix them up is a fault of this side.
func (r *Request) Verify(account *Key) (*Message, error) {
	if r == nil || r.flat == nil {
		return nil, errors.New("envelope: request was not parsed")
	}
	key := r.Key
	if key == nil {
		key = account
	} else if account != nil {
		return nil, errors.New("envelope: request brings its own key, and is not verified with an account's")
	}
	if key == nil {
		return nil, errors.New("envelope: request names an account, and there is no key to verify it with")
	}
	if p := r.flat.verify(key, "the request"); p != nil {
		return nil, p
	}
	return &Message{URL: r.URL, KeyID: r.KeyID, Key: key, Payload: r.flat.payload, nonce: r.Nonce}, nil
}
