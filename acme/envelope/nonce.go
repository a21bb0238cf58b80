package envelope

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// Nonces makes the nonces of requests (RFC 8555, section 6.5), and with a store takes each of them once, on all nodes that
// have the same secret and the same store, and after a restart of any of them.
//
// A nonce is the moment it was made, 128 random bits, and a MAC of both under a key that only the nodes have. So one
// that was handed out and never used leaves nothing behind, and to ask for a million of them costs this side no memory
// and no row. What is remembered are the used ones, until they would have expired in any case: the MAC refuses what was
// never handed out, the moment what is too old, and the store what was used.
//
// A replay must repeat the nonce, which is signed, byte by byte: a nonce has one spelling, and its random bits make it
// differ from all others. It is accepted while its moment is at most Life old, and at most [Skew] in the future, by the
// clock of the node that looks; its row lives until Life and twice Skew past that moment. As long as no two clocks are more
// than Skew apart, no node has forgotten a nonce while another would accept it.
//
// A nonce is to be spent after the signature was verified, so that rows are bounded by the signed requests of the last Life,
// and nobody spends a nonce of somebody else's request; and with whatever the request does, or before it: [Nonces.Ticket].
//
// A Nonces is immutable, and safe for concurrent use.
type Nonces struct {
	keys [][]byte
	life time.Duration
}

// NonceConfig is what [NewNonces] needs.
type NonceConfig struct {
	// Secrets are shared by all nodes: at least one, each of at least 32 random bytes. The first one makes nonces, all are
	// accepted: a new one is put at the end on every node first, and then in front. MAC keys are derived from them, so a
	// secret may have other uses that derive theirs.
	Secrets [][]byte

	Life time.Duration // of a nonce that is not used: a minute to a day; default [NonceLife]
}

// NonceLife is how long a nonce is good if nothing else is said. A client that comes later is told badNonce with a fresh
// one, and tries again.
const NonceLife = 10 * time.Minute

// Skew is how far apart the clocks of the nodes may be.
const Skew = time.Minute

const (
	minSecret = 32
	macLen    = 16
	idLen     = 8 + 16 // microseconds since 1970 and random bits
)

// NewNonces checks all of c and reports every fault.
func NewNonces(c NonceConfig) (*Nonces, error) {
	n := &Nonces{life: c.Life}
	var faults []error
	if n.life == 0 {
		n.life = NonceLife
	}
	if n.life < time.Minute || n.life > 24*time.Hour {
		faults = append(faults, fmt.Errorf("envelope: a nonce's life of %s is not between a minute and a day", n.life))
	}
	if len(c.Secrets) == 0 {
		faults = append(faults, errors.New("envelope: nonces need a secret"))
	}
	for i, s := range c.Secrets {
		if len(s) < minSecret {
			faults = append(faults, fmt.Errorf("envelope: secret %d of nonces has less than %d bytes", i, minSecret))
			continue
		}
		k, err := hkdf.Key(sha256.New, s, nil, "chancery acme nonce 1", sha256.Size)
		if err != nil {
			faults = append(faults, fmt.Errorf("envelope: deriving key %d of nonces: %w", i, err))
		}
		n.keys = append(n.keys, k)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return n, nil
}

// New returns a fresh nonce.
func (n *Nonces) New() string {
	b := make([]byte, idLen, idLen+macLen)
	binary.BigEndian.PutUint64(b, uint64(time.Now().UnixMicro()))
	rand.Read(b[8:]) // never fails since Go 1.24
	return rawURL.EncodeToString(append(b, seal(n.keys[0], b)...))
}

// Offer puts a fresh nonce into the header of an answer: of every one to a POST, errors too, and of newNonce (RFC 8555,
// sections 6.5 and 7.2). No cache may keep it.
func (n *Nonces) Offer(h http.Header) {
	h.Set("Replay-Nonce", n.New())
	h.Set("Cache-Control", "no-store")
}

// Check returns a refusal of type BadNonce unless the request's nonce was made here and is young enough. It asks nobody, so
// that it can come before anything that costs more. Whether the nonce was used is for the store to say.
func (n *Nonces) Check(r *Request) error {
	_, _, p := n.open(r.Nonce)
	if p != nil {
		return p
	}
	return nil
}

// Ticket returns what a store needs to use the request's nonce up, before the request has any effect: the id, and the
// moment from which it may be forgotten. A store that would take longer than [Skew] must not take it at all.
func (n *Nonces) Ticket(m *Message) (id []byte, until time.Time, err error) {
	id, made, p := n.open(m.nonce)
	if p != nil {
		return nil, until, p
	}
	return id, made.Add(n.life + 2*Skew), nil
}

// open returns what identifies a nonce, and the moment it was made.
func (n *Nonces) open(nonce string) (id []byte, made time.Time, p *acme.Problem) {
	b, ok := unbase64(nonce)
	if !ok || len(b) != idLen+macLen {
		return nil, made, refuse(acme.BadNonce, "the nonce is not one of this server's")
	}
	id = b[:idLen:idLen]
	ok = false
	for _, k := range n.keys {
		ok = ok || hmac.Equal(seal(k, id), b[idLen:])
	}
	if !ok {
		return nil, made, refuse(acme.BadNonce, "the nonce is not one of this server's")
	}
	made = time.UnixMicro(int64(binary.BigEndian.Uint64(id)))
	if age := time.Since(made); age > n.life || age < -Skew {
		return nil, made, refuse(acme.BadNonce, "the nonce has expired")
	}
	return id, made, nil
}

func seal(key, id []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(id)
	return h.Sum(nil)[:macLen]
}

// isNonce reports whether s is base64url, as nonces are: else the request is malformed (RFC 8555, section 6.5.2).
func isNonce(s string) bool {
	if s == "" || len(s) > maxNonce {
		return false
	}
	_, ok := unbase64(s)
	return ok
}
