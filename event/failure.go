package event

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// ErrPermanent is in the error of a sink that will never accept an event: see [Permanent].
var ErrPermanent = errors.New("event: never acceptable")

// Permanent wraps what keeps a sink from ever accepting this one event, such as a size that no receiver
// takes. A [Pump] buries the event at once. What keeps the sink from accepting any event (a wrong address,
// a wrong secret, an outage) is not of this kind. Nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error        { return p.error }
func (p permanent) Is(target error) bool { return target == ErrPermanent }

// Later wraps the error of a sink that was asked to try again after a time, so that a [Pump] waits as long
// (but no longer than 15 minutes), and does not blame the event. Nil stays nil.
func Later(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return later{err, wait}
}

type later struct {
	error
	wait time.Duration
}

func (l later) Unwrap() error { return l.error }

const maxLater = 15 * time.Minute

// waitOf is the time that the sink asks for; ok is false if it names none.
func waitOf(err error) (wait time.Duration, ok bool) {
	var l later
	if !errors.As(err, &l) {
		return 0, false
	}
	return min(max(l.wait, 0), maxLater), true
}

// softened is an error of one sink of several, whose verdict on the event is not that of all of them.
type softened struct{ err error }

func (s softened) Error() string        { return s.err.Error() }
func (s softened) Is(target error) bool { return target != ErrPermanent && errors.Is(s.err, target) }
func (s softened) As(target any) bool   { return errors.As(s.err, target) }

// joinFailures is permanent only if all are: a sink that may yet accept the event must be told again.
func joinFailures(errs []error) error {
	all := true
	for _, err := range errs {
		all = all && errors.Is(err, ErrPermanent)
	}
	if !all {
		for i, err := range errs {
			errs[i] = softened{err}
		}
	}
	return errors.Join(errs...)
}

const maxReason = 500 // bytes

// reasonOf is an error as one bounded line to be kept. Of the URL in an error of net/http only scheme and
// host are left, as the rest may hold credentials.
func reasonOf(err error) string {
	text := err.Error()
	var u *url.Error
	if errors.As(err, &u) && u.URL != "" {
		at := "the URL"
		if parsed, err := url.Parse(u.URL); err == nil && parsed.Host != "" {
			at = parsed.Scheme + "://" + parsed.Host
		}
		text = strings.NewReplacer(strings.Trim(strconv.Quote(u.URL), `"`), at, u.URL, at).Replace(text)
	}
	text = text[:min(len(text), 2*maxReason)]
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason-len("…")], "") + "…"
	}
	return text
}
