package admin

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// The registers of the five contracts. All writes carry their audit event; updates are guarded by Version (else
// CodeConflict). Errors: CodeNotFound, CodeConflict, CodeUnavailable. A register that is nil has no routes.

// Billers is the register of billers.
type Billers interface {
	Biller(ctx context.Context, id signet.BillerID) (*signet.Biller, error)
	ListBillers(ctx context.Context, after string, limit int) ([]signet.Biller, error)
	InsertBiller(ctx context.Context, biller *signet.Biller, event signet.Event) error
	UpdateBiller(ctx context.Context, biller *signet.Biller, event signet.Event) error
	SetBillerDisabled(ctx context.Context, id signet.BillerID, disabled bool, event signet.Event) error
}

// ResourceServers is the register of those that get encrypted tokens.
type ResourceServers interface {
	ResourceServer(ctx context.Context, id string) (*signet.ResourceServer, error)
	ListResourceServers(ctx context.Context, after string, limit int) ([]signet.ResourceServer, error)
	InsertResourceServer(ctx context.Context, server *signet.ResourceServer, event signet.Event) error
	UpdateResourceServer(ctx context.Context, server *signet.ResourceServer, event signet.Event) error
	SetResourceServerDisabled(ctx context.Context, id string, disabled bool, event signet.Event) error
}

// SealedKeys is the home of secret keys that belong to one record.
type SealedKeys interface {
	// PutSealedKey inserts; CodeConflict when owner has a key of that id, or two live ones where two is the most.
	PutSealedKey(ctx context.Context, key *signet.SealedKey, event signet.Event) error
	// EndSealedKey lets a key end at a time; when that is now, what it proved is taken back too.
	EndSealedKey(ctx context.Context, owner string, id signet.KeyID, at time.Time, event signet.Event) error
}

// Sealer seals secret keys: implemented by pkg/keys. It sets Sealed and KEKID; owner, id, use and alg are bound in.
type Sealer interface {
	SealRecord(key *signet.SealedKey, plain []byte)
}

// Accounts is the register of accounts.
type Accounts interface {
	Account(ctx context.Context, id string) (*signet.Account, error)
	ListAccounts(ctx context.Context, after string, limit int) ([]signet.Account, error)
	// InsertAccount writes an account, with its first member unless owner is nil; CodeConflict when that user has an
	// individual account already.
	InsertAccount(ctx context.Context, account *signet.Account, owner *signet.Membership, event signet.Event) error
	UpdateAccount(ctx context.Context, account *signet.Account, event signet.Event) error
	SetAccountDisabled(ctx context.Context, id string, disabled bool, event signet.Event) error
}

// Members is who belongs to an account. No write may leave an account that has an owner without one: CodeConflict.
type Members interface {
	Members(ctx context.Context, account string) ([]signet.Membership, error)
	// PutMembership writes a new membership or a changed role, and sets the given one to what stands then. A membership that
	// stands keeps when and by whom it was made and accepted; AcceptedAt accepts one that is pending.
	PutMembership(ctx context.Context, member *signet.Membership, event signet.Event) error
	AcceptMembership(ctx context.Context, account string, user signet.UserID, event signet.Event) error
	EndMembership(ctx context.Context, account string, user signet.UserID, event signet.Event) error
}

// APIKeys is the register of accounts' API keys.
type APIKeys interface {
	APIKey(ctx context.Context, account, name string) (*signet.APIKey, error)
	ListAPIKeys(ctx context.Context, account string) ([]signet.APIKey, error)
	InsertAPIKey(ctx context.Context, key *signet.APIKey, event signet.Event) error
	// UpdateAPIKey: disabling takes back what the key proved.
	UpdateAPIKey(ctx context.Context, key *signet.APIKey, event signet.Event) error
}

// Devices is the register of device credentials.
type Devices interface {
	Device(ctx context.Context, dcn, id string) (*signet.Device, error)
	ListDevices(ctx context.Context, account string) ([]signet.Device, error)
	InsertDevice(ctx context.Context, device *signet.Device, event signet.Event) error
	SetDeviceDisabled(ctx context.Context, dcn, id string, disabled bool, event signet.Event) error
}

// PINApplications is the register of applications that log in with a PIN.
type PINApplications interface {
	PINApplicationByID(ctx context.Context, id signet.ClientID) (*signet.PINApplication, error)
	ListPINApplications(ctx context.Context, after string, limit int) ([]signet.PINApplication, error)
	// InsertPINApplication writes the application with its client, its user row and its keys in one transaction.
	InsertPINApplication(ctx context.Context, app *signet.PINApplication, client *signet.Client, user *signet.User,
		keys []signet.SealedKey, event signet.Event) error
	// UpdatePINApplication: a changed PINHash ends every grant of the application.
	UpdatePINApplication(ctx context.Context, app *signet.PINApplication, event signet.Event) error
	// UpdatePINApplicationWithClient also gives the application's client this metadata: both or neither.
	UpdatePINApplicationWithClient(ctx context.Context, app *signet.PINApplication, metadata signet.ClientMetadata,
		event, clientEvent signet.Event) error
}

// Contracts are the registers of the five contracts, and the judgements of the rooms that know them. Options holds it;
// what is nil switches its routes off.
type Contracts struct {
	Billers         Billers
	ResourceServers ResourceServers
	SealedKeys      SealedKeys
	Sealer          Sealer
	Accounts        Accounts
	Members         Members
	APIKeys         APIKeys
	Devices         Devices
	PINApplications PINApplications
	// CheckScheme judges how a biller signs: pkg/exchange.
	CheckScheme func(signet.HMACScheme) error
	// CheckPIN judges an application's mode with a key of so many bytes: pkg/pinlogin.
	CheckPIN func(m signet.PINApplicationMetadata, keyLen int) error
	// PINClient is the client that an application's tokens are issued to: pkg/pinlogin.
	PINClient func(signet.PINApplicationMetadata) signet.ClientMetadata
	// Roles are those that members and API keys may have: pkg/account.
	Roles func() []string
	// Partners are the judgements of partner access.
	Partners Partners
	// Dev admits what only a development server may have: the API key that document 001 publishes.
	Dev bool
}

func (c *Contracts) billers() bool {
	return c.Billers != nil && c.ResourceServers != nil && c.SealedKeys != nil && c.Sealer != nil && c.CheckScheme != nil
}

func (c *Contracts) resourceServers() bool {
	return c.ResourceServers != nil && c.SealedKeys != nil && c.Sealer != nil
}

func (c *Contracts) accounts() bool {
	return c.Accounts != nil && c.Members != nil && c.APIKeys != nil && c.Devices != nil && c.SealedKeys != nil &&
		c.Sealer != nil && c.Roles != nil
}

func (c *Contracts) pinApplications() bool {
	return c.PINApplications != nil && c.SealedKeys != nil && c.Sealer != nil && c.CheckPIN != nil && c.PINClient != nil
}
