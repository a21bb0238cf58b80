package eventtest

import (
	"time"

	"github.com/chancery-ca/chancery/event"
)

// Samples returns an event of every type, with every field of its data set.
func Samples() []event.Event {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	cert := event.Certificate{
		Serial: "1f", Issuer: "issuing", Subject: "alice", Names: []string{"a.internal", "b.internal"},
		NotBefore: at, NotAfter: at.Add(time.Hour), Fingerprint: "f1", Key: "k1", Provisioner: "web", Profile: "server",
		Entity: "host-1", Previous: "1e", RequestID: "r1",
	}
	revocation := event.Revocation{
		Serial: "1f", Issuer: "issuing", Subject: "alice", ReasonCode: 1, Reason: "key lost", RevokedAt: at,
		Provisioner: "web", By: "bob", RequestID: "r2",
	}
	issuer := event.Issuer{Name: "issuing", Subject: "CN=Issuing", NotAfter: at}
	crl := event.CRL{
		Issuer: "issuing", Number: "7", Shard: 2, Delta: true, Base: "5", ThisUpdate: at, NextUpdate: at.Add(time.Hour), Entries: 3, Fingerprint: "ab",
	}
	config := event.Config{Provisioners: []string{"web"}, Issuers: []string{"issuing"}, Error: "no issuer"}
	account := event.Account{ID: "ac1", Provisioner: "acme", Thumbprint: "t1", Contacts: []string{"mailto:alice@example.com"}, ExternalKey: "k1"}
	order := event.Order{
		ID: "or1", Provisioner: "acme", Account: "ac1", Identifiers: []string{"dns:a.internal"}, Profile: "server", Replaces: "aki.1f",
		Problem: "rejectedIdentifier", Detail: "not allowed",
	}
	challenge := event.Challenge{
		Type: "http-01", Provisioner: "acme", Account: "ac1", Authorization: "az1", Identifier: "dns:a.internal", Wildcard: true,
		Address: "192.0.2.1:80", Problem: "connection", Detail: "nobody answered",
	}
	connection := event.Connection{Host: "web.internal", User: "alice", Known: true, Bastion: "jump.internal", Remote: "192.0.2.1:1234", RequestID: "r4"}
	data := map[event.Type]event.Data{
		event.HostChecked: connection, event.BastionAsked: connection,
		event.AccountCreated: account, event.AccountUpdated: account, event.AccountKeyChanged: account, event.AccountDeactivated: account,
		event.OrderCreated: order, event.OrderFailed: order, event.ChallengePassed: challenge, event.ChallengeFailed: challenge,
		event.CertificateRevoked: revocation, event.CertificateReleased: revocation,
		event.RequestRefused: event.Refusal{
			Operation: "x509/sign", Step: "decide", Kind: "denied", Code: "policy-dns", Reason: "not allowed",
			Provisioner: "web", Subject: "alice", Names: []string{"a.internal"}, Serial: "1f", RequestID: "r3",
		},
		event.ValidityTruncated: event.Truncation{Serial: "1f", Issuer: "issuing", Requested: at.Add(time.Hour), NotAfter: at},
		event.IssuerExpiring:    issuer, event.CRLPublished: crl,
		event.ConfigChanged: config, event.ConfigRejected: config,
	}
	var events []event.Event
	for i, t := range event.Types() {
		d := data[t]
		if d == nil {
			d = cert
		}
		events = append(events, event.Event{
			ID: "sample-" + string(rune('a'+i)), Type: t, Source: "/ca", Subject: "1f", Time: at, Data: d,
		})
	}
	return events
}
