package authority

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
)

// SSHHost is a host that has a certificate in force.
type SSHHost struct {
	Name   string            // a principal of its certificate
	Entity *inventory.Entity // nil: the inventory does not know it
}

// maxHosts bounds what one look at the fleet costs.
const maxHosts = 10_000

// SSHHosts returns the hosts that have a certificate in force, by name, at most ten thousand: whoever is
// not active in the inventory is left out.
func (a *Authority) SSHHosts(ctx context.Context) ([]SSHHost, error) {
	s, err := a.begin()
	if err != nil {
		return nil, err
	}
	if s.Config.SSH == nil {
		return nil, refuse(NotFound, "", "ssh", "this authority issues no SSH certificates")
	}
	found := map[string]SSHHost{}
	for _, i := range s.sshIssuers {
		if i.Type != provisioner.SSHHost {
			continue
		}
		no := false
		q := Query{Issuer: i.Name, Status: Issued, Revoked: &no, NotAfterFrom: time.Now(), Limit: 1000}
		for len(found) < maxHosts {
			page, err := a.store.List(ctx, q)
			if err != nil {
				return nil, fault("", "listing hosts", err)
			}
			for _, r := range page.Records {
				if err := a.addHosts(ctx, s, found, r); err != nil {
					return nil, err
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	hosts := make([]SSHHost, 0, len(found))
	for _, h := range found {
		hosts = append(hosts, h)
	}
	slices.SortFunc(hosts, func(a, b SSHHost) int { return strings.Compare(a.Name, b.Name) })
	return hosts, nil
}

func (a *Authority) addHosts(ctx context.Context, s *snapshot, found map[string]SSHHost, r *Record) error {
	for _, name := range r.Names {
		if _, ok := found[name]; ok || len(found) >= maxHosts {
			continue
		}
		e, err := s.hostEntity(ctx, name)
		if err != nil {
			return err
		}
		if e == nil || e.Active {
			found[name] = SSHHost{Name: name, Entity: e}
		}
	}
	return nil
}

// hostEntity asks the inventory for a host; nil for one that it does not know.
func (s *snapshot) hostEntity(ctx context.Context, name string) (*inventory.Entity, error) {
	if s.Inventory == nil {
		return nil, nil
	}
	e, err := s.Inventory.Lookup(ctx, query(provisioner.IdentifiersOf(name)))
	switch {
	case inventoryMisses(err):
		return nil, nil
	case err != nil:
		return nil, &Error{Kind: Unavailable, Code: "inventory", Reason: "the inventory does not answer", Err: err}
	}
	return e, nil
}

// HasSSHHost reports whether a host of that name has a certificate in force and, where the inventory knows
// it, is active there. Names are compared as DNS names are: without case.
func (a *Authority) HasSSHHost(ctx context.Context, name string) (bool, error) {
	s, err := a.begin()
	if err != nil {
		return false, err
	}
	if s.Config.SSH == nil {
		return false, refuse(NotFound, "", "ssh", "this authority issues no SSH certificates")
	}
	if name = provisioner.CanonicalDNS(name); !isText(name) {
		return false, nil
	}
	no := false
	q := Query{Name: name, Status: Issued, Revoked: &no, NotAfterFrom: time.Now(), NewestFirst: true}
	for range 10 { // pages: a name has few certificates in force
		page, err := a.store.List(ctx, q)
		if err != nil {
			return false, fault("", "looking up a host", err)
		}
		for _, r := range page.Records {
			if i := s.sshIssuerOf(r.Issuer); i != nil && i.Type == provisioner.SSHHost {
				e, err := s.hostEntity(ctx, name)
				return err == nil && (e == nil || e.Active), err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	return false, nil
}
