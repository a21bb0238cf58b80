package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/sshca"
)

// SSHOptions are what the SSH part of the API can be told. The zero value of each field is the one in its
// comment.
type SSHOptions struct {
	// Snippets renders the files that clients and hosts need, for POST /ssh/config: a [snippet.Set]. Nil:
	// there is no such path.
	//
	// [snippet.Set]: https://pkg.go.dev/github.com/chancery-ca/chancery/sshca/snippet
	Snippets Snippets

	// Bastion says through which host another one is reached, nil for directly. Nil: all are reached directly.
	Bastion func(ctx context.Context, user, host string) (*Bastion, error)

	// OpenHosts lets everybody list the hosts of the fleet, as step-ca does. The zero value wants a client
	// certificate of this authority's, in good standing.
	OpenHosts bool

	// NoHosts lets nobody list them.
	NoHosts bool

	// Identity has step's clients ask for an X.509 certificate along with each SSH user certificate, and come
	// with it from then on. The authority must be one that issues them: see authority.SSH.
	Identity bool

	// KRL answers what is asked at /ssh/krl: a [krl.Publisher]. Nil: there is no such path.
	//
	// [krl.Publisher]: https://pkg.go.dev/github.com/chancery-ca/chancery/sshca/krl
	KRL http.Handler
}

// Snippets renders what clients ("user") and hosts ("host") need, of what they say about themselves. A
// request that leaves out what is needed is an error that the client is shown.
type Snippets interface {
	Render(kind string, keys sshca.Keys, data map[string]string) ([]sshca.Snippet, error)
}

// Bastion is a host through which others are reached.
type Bastion struct {
	Hostname string `json:"hostname"`
	User     string `json:"user,omitempty"`
	Port     string `json:"port,omitempty"`
	Command  string `json:"cmd,omitempty"`
	Flags    string `json:"flags,omitempty"`
}

// sshConfig renders files for a client or a host. As in step-ca, the body says for which of the two.
func (a *api) sshConfig(c *call) error {
	var body struct {
		Type string            `json:"type"`
		Data map[string]string `json:"data"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	own, more := a.ca.SSHKeys(), a.ca.FederatedSSHKeys()
	keys := sshca.Keys{User: own.User, Host: own.Host, FederatedUser: more.User, FederatedHost: more.Host}
	if a.o.SSH.Snippets == nil || len(own.User)+len(own.Host) == 0 {
		return errNoSSH
	}
	if body.Type == "" {
		body.Type = "user"
	}
	if body.Type != "user" && body.Type != "host" {
		return badRequest("type", "type is neither user nor host")
	}
	rendered, err := a.o.SSH.Snippets.Render(body.Type, keys, body.Data)
	if err != nil {
		return &authority.Error{Kind: authority.BadRequest, Code: "data", Reason: clip(err.Error(), maxReason), Err: err}
	}
	c.json(http.StatusOK, mustJSON(map[string][]sshca.Snippet{body.Type + "Templates": rendered}))
	return nil
}

// sshCheckHost tells whether a host is one of ours. It takes no right to list them all.
func (a *api) sshCheckHost(c *call) error {
	var body struct {
		Type      string `json:"type"`
		Principal string `json:"principal"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	switch {
	case body.Type != "host":
		return badRequest("type", "type is not host")
	case body.Principal == "" || len(body.Principal) > 253:
		return badRequest("principal", "missing or invalid principal")
	}
	ok, err := a.ca.HasSSHHost(c.r.Context(), body.Principal)
	if err != nil {
		return err
	}
	a.ca.Mention(c.r.Context(), event.HostChecked, shown(body.Principal), event.Connection{
		Host: shown(body.Principal), Known: ok, Remote: c.r.RemoteAddr, RequestID: c.id,
	})
	c.json(http.StatusOK, mustJSON(map[string]bool{"exists": ok}))
	return nil
}

// sshHosts lists the fleet, for those who belong to it.
func (a *api) sshHosts(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	if a.o.SSH.NoHosts {
		c.notFound()
		return nil
	}
	if err := a.member(c); err != nil {
		return err
	}
	hosts, err := a.ca.SSHHosts(c.r.Context())
	if err != nil {
		return err
	}
	type tag struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	type host struct {
		ID   string `json:"hid"`
		Tags []tag  `json:"host_tags"`
		Name string `json:"hostname"`
	}
	out := make([]host, len(hosts))
	for i, h := range hosts {
		out[i].Name = h.Name
		if h.Entity == nil {
			continue
		}
		out[i].ID = h.Entity.ID
		for k, v := range h.Entity.Tags {
			out[i].Tags = append(out[i].Tags, tag{ID: h.Entity.ID + "/" + k, Name: k, Value: v})
		}
		slices.SortFunc(out[i].Tags, func(a, b tag) int { return strings.Compare(a.Name, b.Name) })
	}
	c.json(http.StatusOK, mustJSON(map[string][]host{"hosts": out}))
	return nil
}

// member lets in whoever has a certificate of this authority's, unless the list is open.
func (a *api) member(c *call) error {
	if a.o.SSH.OpenHosts {
		return nil
	}
	peer, err := a.peer(c)
	switch {
	case err != nil:
		return err
	case peer == nil:
		return &authority.Error{Kind: authority.Unauthenticated, Code: "credential", Reason: "missing client certificate"}
	}
	return a.ca.Recognise(c.r.Context(), peer)
}

func (a *api) sshBastion(c *call) error {
	var body struct {
		User     string `json:"user"`
		Hostname string `json:"hostname"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	keys := a.ca.SSHKeys()
	switch {
	case body.Hostname == "" || len(body.Hostname) > 253:
		return badRequest("hostname", "missing or invalid hostname")
	case len(keys.User)+len(keys.Host) == 0:
		return errNoSSH
	}
	answer := struct {
		Hostname string   `json:"hostname"`
		Bastion  *Bastion `json:"bastion,omitempty"`
	}{Hostname: body.Hostname}
	if a.o.SSH.Bastion != nil {
		b, err := a.o.SSH.Bastion(c.r.Context(), body.User, body.Hostname)
		if err != nil {
			if e, ok := errors.AsType[*authority.Error](err); ok {
				return e
			}
			return &authority.Error{Kind: authority.Unavailable, Code: "bastion", Reason: "there is no way to tell the bastion", Err: err}
		}
		if b != nil && !strings.EqualFold(b.Hostname, body.Hostname) { // it is not reached through itself
			answer.Bastion = b
		}
	}
	asked := event.Connection{Host: shown(body.Hostname), User: shown(body.User), Remote: c.r.RemoteAddr, RequestID: c.id}
	if answer.Bastion != nil {
		asked.Bastion = answer.Bastion.Hostname
	}
	var err error
	if asked.Known, err = a.ca.HasSSHHost(c.r.Context(), body.Hostname); err != nil {
		return err
	}
	a.ca.Mention(c.r.Context(), event.BastionAsked, asked.Host, asked)
	c.json(http.StatusOK, mustJSON(answer))
	return nil
}

// shown makes what a client says fit for logs.
func shown(s string) string {
	return clip(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")), 253)
}

// sshKRL hands over to whatever makes the list.
func (a *api) sshKRL(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	c.handOver(a.o.SSH.KRL)
	return nil
}
