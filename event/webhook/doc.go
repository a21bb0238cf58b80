// Package webhook is an event.Sink that posts events to a URL, as CloudEvents 1.0 over HTTP, signed the way
// of Standard Webhooks, so that a receiver can check with the libraries of both.
//
// A [Sink] does one attempt and says what became of it; give it to an event.Pump, which repeats. A receiver
// sees an event at least once: the header webhook-id is the same every time, and new for every event.
//
// # What an answer means
//
// 2xx is acceptance. 413 and 422 are the receiver's verdict on this one event, which the pump buries at once
// (event.Permanent). Everything else is tried again: also 400 and 401, which is how receivers answer a
// signature of the wrong secret, 410, which speaks of the whole endpoint, and redirects, which are not
// followed. So a receiver that is set up wrongly costs time and no events. 429 and 503 with Retry-After are
// tried again after that time (event.Later). The body of an answer is read up to a limit and thrown away.
package webhook
