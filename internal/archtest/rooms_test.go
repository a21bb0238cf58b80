package archtest

// room is what a package's code (its tests apart) may import.
type room struct {
	ours   []string // of this module; "..." is everything
	others []string // third-party packages; a trailing "/..." is everything below
	kind   kind
}

// kind is which rules hold for a package's code.
type kind int

const (
	library kind = iota // all of them
	kit                 // a conformance suite or fixture: may also import testing, and fail a test
	rig                 // a kit that runs other programs for tests: owns processes, too
	program             // a main package: owns the process, so it may exit, read the environment and log
	checks              // has nothing but tests
)

// Third-party packages by the names they have in the table.
const (
	jose           = "github.com/go-jose/go-jose/v4/..."
	testifyRequire = "github.com/stretchr/testify/require"
	testifyAssert  = "github.com/stretchr/testify/assert"
	rapid          = "pgregory.net/rapid"
	asn1           = "golang.org/x/crypto/cryptobyte/..."
	goose          = "github.com/pressly/goose/v3/..."
	cryptoSSH      = "golang.org/x/crypto/ssh"
	errgroup       = "golang.org/x/sync/errgroup"
)

// core is what an embedder links whatever else it does. The table keeps it free of SQL drivers, cloud
// SDKs, routers and telemetry by naming the little it may import; forbidden guards the table itself.
var core = []string{"authority", "provisioner", "inventory", "template", "kms", "event", "sshca"}

// rooms is the table of the design, section 1. It lists every package there is.
var rooms = map[string]room{
	"": {kind: library}, // doc.go

	"provisioner":                 {others: []string{jose, cryptoSSH}},
	"provisioner/jwk":             {ours: []string{"provisioner", "internal/jws"}, others: []string{jose}},
	"provisioner/x5c":             {ours: []string{"provisioner", "internal/jws"}, others: []string{jose}},
	"provisioner/oidc":            {ours: []string{"provisioner", "internal/jws"}, others: []string{jose, cryptoSSH}},
	"provisioner/sshpop":          {ours: []string{"provisioner", "internal/jws"}, others: []string{jose, cryptoSSH}},
	"provisioner/provisionertest": {ours: []string{"provisioner"}, others: []string{jose, cryptoSSH, testifyRequire, testifyAssert}, kind: kit},

	"inventory":               {},
	"inventory/inventorytest": {ours: []string{"inventory"}, others: []string{testifyRequire, testifyAssert, rapid}, kind: kit},

	"template": {others: []string{cryptoSSH}},
	// The only one that knows step's template engine.
	"template/step": {ours: []string{"template"}, others: []string{"go.step.sm/crypto/x509util", "github.com/Masterminds/sprig/v3", cryptoSSH}},

	"sshca":         {ours: []string{"kms"}, others: []string{cryptoSSH}},
	"sshca/krl":     {ours: []string{"kms", "sshca"}, others: []string{cryptoSSH}},
	"sshca/snippet": {ours: []string{"sshca"}, others: []string{cryptoSSH}},

	"kms":         {},
	"kms/softkms": {ours: []string{"kms"}, others: []string{"go.step.sm/crypto/pemutil", "go.step.sm/crypto/keyutil", "golang.org/x/crypto/ssh"}},
	"kms/kmstest": {ours: []string{"kms"}, others: []string{testifyRequire, testifyAssert}, kind: kit},

	"event":            {},
	"event/natssink":   {ours: []string{"event"}, others: []string{"github.com/nats-io/nats.go/jetstream", "github.com/nats-io/nats.go"}},
	"event/syslogsink": {ours: []string{"event"}, others: []string{"github.com/leodido/go-syslog/v4/..."}},
	"event/webhook":    {ours: []string{"event"}, others: []string{"github.com/standard-webhooks/standard-webhooks/libraries/go"}},
	"event/eventtest":  {ours: []string{"event"}, others: []string{testifyRequire, testifyAssert}, kind: kit},

	"acme":                {},
	"acme/acmetest":       {ours: []string{"acme", "acme/challenge", "acme/server", "authority", "authority/authoritytest"}, others: []string{testifyRequire, testifyAssert, rapid}, kind: kit},
	"acme/attest":         {ours: []string{"acme"}, others: []string{"github.com/fxamacker/cbor/v2"}},
	"acme/attest/apple":   {ours: []string{"acme/attest"}},
	"acme/attest/tpm":     {ours: []string{"acme/attest"}, others: []string{"github.com/google/go-tpm/tpm2"}},
	"acme/attest/yubikey": {ours: []string{"acme/attest"}},
	"acme/challenge":      {ours: []string{"acme"}, others: []string{"github.com/miekg/dns", asn1, errgroup}},
	"acme/server":         {ours: []string{"acme", "acme/challenge", "acme/envelope", "authority", "event", "provisioner"}},
	"acme/envelope":       {ours: []string{"acme", "internal/jws"}, others: []string{jose}},

	"authority": {
		ours:   []string{"provisioner", "inventory", "template", "kms", "event", "sshca", "sshca/krl", "authority/policy", "internal/x509lint", "internal/jws"},
		others: []string{asn1, cryptoSSH, errgroup},
	},
	"authority/policy":      {},
	"authority/crl":         {ours: []string{"authority", "kms"}, others: []string{asn1}},
	"authority/crl/crltest": {ours: []string{"authority"}, kind: kit},
	"authority/export":      {ours: []string{"authority", "event", "provisioner", "sshca"}, others: []string{cryptoSSH}},
	"authority/ocsp":        {ours: []string{"authority"}, others: []string{asn1}},
	"authority/otelhook":    {ours: []string{"authority", "event", "kms", "provisioner"}, others: []string{"go.opentelemetry.io/otel/..."}},
	"authority/postgres":    {ours: []string{"acme", "authority", "event", "provisioner", "internal/sqlstore"}, others: []string{goose, "github.com/jackc/pgx/v5/..."}},
	"authority/httpapi":     {ours: []string{"authority", "event", "provisioner", "sshca"}, others: []string{cryptoSSH}},
	"authority/sqlite":      {ours: []string{"acme", "authority", "event", "provisioner", "internal/sqlstore"}, others: []string{goose, "modernc.org/sqlite/..."}},
	"authority/stepconfig":  {ours: []string{"acme/attest/...", "acme", "acme/challenge", "acme/server", "authority", "authority/crl", "authority/policy", "authority/sqlite", "event", "inventory", "kms", "kms/softkms", "provisioner", "provisioner/jwk", "provisioner/oidc", "provisioner/sshpop", "provisioner/x5c", "sshca/snippet", "template", "template/step", "internal/ceremony"}, others: []string{jose, cryptoSSH}},
	"authority/storetest":   {ours: []string{"authority", "event", "provisioner"}, others: []string{testifyRequire, testifyAssert, rapid}, kind: kit},
	"authority/authoritytest": {
		ours: []string{"..."}, others: []string{jose, cryptoSSH, testifyRequire}, kind: kit,
	},

	"internal/jws":      {ours: []string{"provisioner"}, others: []string{jose}},
	"internal/x509lint": {},
	"internal/sqlstore": {ours: []string{"acme", "authority", "event", "provisioner"}, others: []string{goose, asn1}},
	"internal/ceremony": {ours: []string{"authority", "event", "kms", "provisioner", "template"}},
	"internal/sdnotify": {},
	"internal/pgtest":   {others: []string{"github.com/jackc/pgx/v5/...", testifyRequire}, kind: rig},

	"internal/archtest": {kind: checks},
	"internal/docs":     {kind: checks},
	"internal/ordeal":   {kind: checks},
	"internal/interop":  {kind: checks},
	"internal/size":     {kind: checks},
	"internal/bench":    {ours: []string{"..."}, others: []string{jose, cryptoSSH, errgroup, "github.com/jackc/pgx/v5/..."}, kind: program},

	"examples/intermediate":  {ours: []string{"..."}, others: []string{errgroup, "github.com/nats-io/nats.go/..."}, kind: program},
	"examples/rootca":        {ours: []string{"..."}, kind: program},
	"examples/embedded":      {ours: []string{"..."}, others: []string{errgroup}, kind: program},
	"examples/sshca":         {ours: []string{"..."}, others: []string{cryptoSSH}, kind: program},
	"examples/krlfetch":      {ours: []string{"..."}, others: []string{cryptoSSH}, kind: program},
	"examples/acme-embedded": {ours: []string{"..."}, others: []string{errgroup, "golang.org/x/crypto/acme/..."}, kind: program},
}

// forbidden is what no core package, nor anything below one that is not a store, may ever list above:
// whoever needs it imports the leaf package that has it.
var forbidden = []string{
	"database/sql", "modernc.org/", "github.com/jackc/", "go.etcd.io/bbolt", "github.com/pressly/goose",
	"cloud.google.com/", "github.com/aws/", "github.com/Azure/", "google.golang.org/grpc",
	"github.com/go-chi/", "go.opentelemetry.io/", "github.com/nats-io/", "github.com/twmb/franz-go", "k8s.io/", "cel.dev/",
	"github.com/zmap/zlint",
}

// leaves are the packages below a core one that exist to link what it must not.
var leaves = []string{"authority/sqlite", "authority/postgres", "authority/otelhook", "event/natssink"}

// allowed excuses one use of something that library code does not do, with the reason.
type allowed struct {
	dir  string // of the package
	fn   string // the function that holds it, Type.Method for a method
	what string // as the failure names it
	why  string
}

var excuses = []allowed{
	{"authority/httpapi", "api.rescue", "panic", "net/http's own way to drop a connection, http.ErrAbortHandler, is passed on to it"},
	{"authority/sqlite", "Open", "go statement", "the store's one writer, which joins transactions into group commits; Close ends it"},
	{"authority/postgres", "leases.take", "go statement", "watches the connection that holds leases; the last release or Close ends it"},
}
