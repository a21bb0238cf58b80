package webhook

import (
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter is as long as anybody is believed.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header of RFC 9110, section 10.2.3: a number of seconds or a date. A time in the past
// is zero.
func retryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	if value == "" {
		return 0, false
	}
	digits := true
	for _, c := range []byte(value) {
		digits = digits && c >= '0' && c <= '9'
	}
	if digits {
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil { // more digits than there is time
			return maxRetryAfter, true
		}
		return min(time.Duration(n)*time.Second, maxRetryAfter), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}
