// Package crl makes, publishes and serves the certificate revocation lists of an authority (RFC 5280,
// section 5).
//
//	pub, err := crl.New(ca, crl.Options{})
//	g.Go(func() error { return pub.Run(ctx) })
//	mux.Handle("/crl", pub.Handler())
//	mux.Handle("/crl/", pub.Handler())
//
// Certificates name their CRL when their issuer has authority.Pointers; [Pointers] makes those that fit
// the paths of [Publisher.Handler].
//
// # What is made
//
// For each issuer that is not retired: the complete CRL, which lists every certificate that is revoked or
// was abandoned, and one CRL for each of its shards, which has an issuingDistributionPoint with the URLs
// that the certificates of the shard carry. The CRL of a shard that once existed is made as long as the
// issuer lives, however few shards there are now. To move shards to other URLs, list the old ones beside
// the new ones for as long as certificates with the old ones are good.
//
// An issuer with authority.Pointers.FreshestCRL (or [Options.Delta]) has a delta CRL beside each of them,
// whose base is the newest full one. Then only the deltas follow changes, and the full ones are made on
// schedule: turn deltas on for relying parties that use them.
//
// A certificate that has ended leaves the CRL once it was on one that was made after its end, and at
// least [Options.Interval] later (section 3.3).
//
// # When
//
// A new CRL is made every [Options.Interval], long before the old one lapses and also when nothing was
// revoked; within about two seconds of a change, whichever node made it; when the issuer's certificate or
// pointers were changed; and when somebody asks ([Publisher.Publish]). When making CRLs takes long, changes
// wait, so that it takes a fifth of the time at most. What fails is tried again within ten seconds, while
// the old CRL is served.
//
// Every node may run a Publisher. They share the store: a lease for each issuer lets one work at a time,
// and every node serves what any of them made. Numbers rise, and follow the clock, so that a store that
// was restored from a copy does not repeat one.
//
// A CRL never takes the place of one that knows of more changes. A node that lost its lease without noticing
// is refused by the store, and looks again. A store that was restored as a whole has the CRLs of that time,
// too, and goes on from there. One whose counter of changes went back, and its CRLs did not, is broken: no
// CRLs are made from it, [Publisher.Status] says so, and the old ones are served until they lapse. The same
// goes for an issuer whose key the store knows by another name. Such faults are looked at again every minute,
// and when the configuration changes.
package crl
