// Package syslogsink is an event.Sink that sends events to a syslog server over TLS: messages of RFC 5424,
// framed by their length (RFC 5425; RFC 6587, section 3.4.1, on plain TCP).
//
// MSG is the JSON of CloudEvents 1.0 in ASCII; structured data repeats what one searches for: id, type,
// source, subject and serial. MSGID is the type without its prefix.
//
// An event above [Config].MaxMessage is shortened, so that nobody who asks for a hundred names escapes the
// log: lists lose their last entries and long texts their ends, while serial, digests and times stay whole.
// The attribute "omitted", also in the structured data, then says how much is missing of what, as in
// "121 of 131 in data.names".
//
// # What at least once means here
//
// Syslog has no acknowledgement: that a message was written says that this machine's kernel has it. A server
// that dies takes with it what it had not read, and the writer notices only later. The [Sink] therefore
// keeps what it wrote last, up to [Config].Resend bytes, and after a connection broke it sends those
// messages again on the next one, in order and before any new one, so that the server sees repeats (with
// the same id) rather than gaps. It looks for a broken connection before it writes, and forgets a message
// when the connection was still good two minutes after it was written. What remains, and only a sink with
// acknowledgements does better:
//
//   - a server that dies after the last event of the day is noticed with the next event;
//   - messages that were written and not read are lost if this process ends before the break is noticed;
//   - so are those beyond Resend bytes, and those that the server read and did not keep;
//   - a server whose machine vanishes from the network without a word may take longer to be noticed than
//     messages are kept.
package syslogsink
