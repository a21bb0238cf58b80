package authority

import (
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// SSH is what makes an authority one for SSH certificates, too.
type SSH struct {
	// Issuers are the CAs, for users and for hosts: required. Their names differ from each other's and from
	// those of the X.509 issuers. The first active one of a type signs; several are served at once while
	// one takes another's place.
	Issuers []SSHIssuer

	// Profiles are what is issued, by name; names must differ. The one named "" is made if absent. A
	// provisioner may use none that its [Binding] does not list.
	Profiles []SSHProfile

	// AddUser lets accounts be added on hosts by their users' certificates; nil: that is not done.
	AddUser *AddUser

	// Identity is the name of the X.509 profile of the certificates that users are given along with their
	// SSH certificates, if they ask: for clients, and for their e-mail addresses. Empty: none are issued.
	Identity string

	// FederatedUserKeys and FederatedHostKeys are other authorities' keys, served to clients and trusted
	// for nothing.
	FederatedUserKeys, FederatedHostKeys []ssh.PublicKey
}

// SSHIssuer is the key of a CA that signs SSH certificates of one type.
type SSHIssuer struct {
	Name  string // for ever: records and revocation lists are kept under it
	Type  provisioner.SSHType
	State State // Pending, Active and Retiring keys are served to clients and hosts; only an Active one signs

	Signer kms.Signer    // required unless Retired
	Key    ssh.PublicKey // for a retired one without Signer
}

// SSHProfile is what SSH certificates are like, under a name.
type SSHProfile struct {
	Name         string
	Template     *template.SSH  // nil: template.SSHDefault()
	TemplateData map[string]any // further top-level values for the template

	// Lives of user and host certificates. Zero fields are step's: from 5 minutes; 16 hours, at most 24, for
	// users; 30 days for hosts; begun one minute ago.
	User, Host Validity

	// Extensions of user certificates, before the template has its say; nil: sshca.UserExtensions().
	Extensions map[string]string

	// Keys says which keys are certified. A zero MinRSABits is 3072 here.
	Keys KeyRule

	// Policies judge the principals of user and host certificates, those of a host as DNS names and IP
	// addresses; nil allows all.
	UserPolicy, HostPolicy *policy.Policy

	UserEntity, HostEntity SSHEntityRule

	// TemplatePrincipals trusts principals that the template adds to those of the grant. Policy and hygiene
	// still judge them. The zero value refuses them.
	TemplatePrincipals bool
}

// SSHEntityRule says what a profile wants of the inventory for certificates of a type. The zero value asks
// for nothing; an entity that is known and not active is refused all the same.
type SSHEntityRule struct {
	// Required refuses a subject that the inventory does not know, and host certificates for what is no
	// host there, and user certificates for what is one.
	Required bool

	// Principals takes the principals from the entity, instead of from the credential: for a user its
	// principals and its POSIX account, for a host its DNS names, IP addresses and principals; all of them,
	// or those that the request asks for. It implies Required.
	Principals bool

	// Extensions gives user certificates extensions whose values are the entity's attributes, by name of
	// the attribute: {"login@github.com": "github"}. An entity without the attribute gets none.
	Extensions map[string]string
}

func (r SSHEntityRule) required() bool { return r.Required || r.Principals }
