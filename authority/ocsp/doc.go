// Package ocsp is an OCSP responder over an authority: RFC 6960, in the profile for many clients of
// RFC 5019 (GET, and answers that caches may keep), with the nonces of RFC 9654.
//
// [New] makes a [Responder], which is an http.Handler to mount anywhere; [Responder.Handler] puts it before a
// router. It starts nothing: [Responder.Run], called by the program, signs answers and gets responder
// certificates before somebody has to wait for them.
//
// # What it says
//
// Every question is looked up in the store, also when the answer to it was signed before: what is kept is the
// work of signing, never the knowledge. So a revocation on any node is told by all of them at once. Good is a
// certificate that the issuer has issued and that is not revoked; revoked is one that is, on hold included;
// everything else is unknown, a serial that is reserved and not issued among it. A question about issuers
// that are not here, or retired, is answered with unauthorized (RFC 5019, section 2.2.3).
//
// One signature cannot speak for two issuers. A request that asks about certificates of several is answered
// for the first of them that is served here, and the others' certificates are unknown: whatever it said about
// them, no client could believe.
//
// When the store cannot be asked, the answer is tryLater, even where an earlier one is at hand that has not
// expired: what may have been revoked since would be called good on this node's word.
// [Options.ServeThroughOutage] chooses otherwise; what was never looked up is not answered for in either case.
//
// Anybody may ask, so questions get a small part of the store: [Options.Lookups] at the same time. Whoever has
// waited a second for a turn is told to try later. The log says when look-ups or signatures begin to fail and
// when they work again, at most once a minute, and nothing of single requests.
//
// # Who signs
//
// Each issuer has its own delegated responder: a key in memory, and a certificate of a few days for it from
// [authority.Authority.IssueResponder]. So a flood of questions never reaches the issuer's key, which may sit
// in a slow HSM. An issuer that issues nothing any more signs by itself, and so does every one with
// [Options.Direct]. How many signatures are made at the same time is bounded; whoever comes when too many
// wait already is told to try later, and questions whose answers serve only one client (with a nonce, about an
// unknown serial, or about several certificates) never take all of the places.
package ocsp
