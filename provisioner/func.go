package provisioner

import "context"

// Func makes a Provisioner of a name and a function. It is no [Claimer], so it judges requests that name
// it, which code in this process can and clients of step-ca's HTTP API cannot, and beside them only the
// renewal, rekey and revocation of what it let through, by whoever holds the certificate's key.
func Func(name string, authorize func(ctx context.Context, r *Request) (*Grant, error)) Provisioner {
	return funcProvisioner{name, authorize}
}

type funcProvisioner struct {
	name      string
	authorize func(context.Context, *Request) (*Grant, error)
}

func (f funcProvisioner) Name() string { return f.name }

func (f funcProvisioner) Authorize(ctx context.Context, r *Request) (*Grant, error) {
	return f.authorize(ctx, r)
}
