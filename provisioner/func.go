package provisioner

import "context"

// Func makes a Provisioner of a name and a function.
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
