package policy

// Policy is stubbed.
type Policy struct{}
