package templates

// LoginView asks who sits at the browser.
type LoginView struct {
	Flow       string // sealed, sent back in a hidden field
	ClientName string
	ReturnTo   string // host or app that the person returns to
	Username   string // fills the field; "" puts the cursor there
	Problem    string // one sentence, "" on the first showing
	PolicyURI  string // shown only when https
	TOSURI     string // shown only when https
}

// ConsentView asks whether a client may have what it asks for.
type ConsentView struct {
	Flow       string
	Proof      string // sealed: for whom the page was made, sent back in a hidden field
	ClientName string
	ReturnTo   string
	UserName   string // of the person logged in
	Scopes     []ScopeLine
	// Confirm is true when everything was allowed before and only a click is wanted.
	Confirm   bool
	PolicyURI string
	TOSURI    string
}

// ScopeLine is one scope in human words.
type ScopeLine struct{ Title, Detail string }

// LogoutConfirmView asks before a session ends.
type LogoutConfirmView struct {
	Flow       string
	UserName   string
	ClientName string // who asks; "" when nobody proved it
	ReturnTo   string // "" when the person stays here
}

// LoggedOutView says that nobody is logged in.
type LoggedOutView struct{}

// AccountView shows a person the accounts they belong to, or are invited to.
type AccountView struct {
	UserName string
	Problem  string // one sentence when nothing was done, else ""
	About    string // the account that the problem is about; may be empty
	Pending  []AccountLine
	Member   []AccountLine
	More     bool // there are more than the page shows
}

// AccountLine is one account on the page.
type AccountLine struct {
	ID       string // of the account, ours: makes the ids of the buttons
	Name     string
	Type     string // in words
	Role     string
	Disabled bool   // nobody may act for it: it cannot be accepted
	Proof    string // sealed: what was shown to whom, sent back in a hidden field
}

// LoginFirstView says that the page needs a login, which only an application can begin.
type LoginFirstView struct{}

// ErrorView is the page for a request that cannot be sent back to its client.
type ErrorView struct {
	Status  int
	Title   string // "" gives a title by status
	Message string // one sentence for the person; "" gives one by status
	Code    string // protocol error code, for the developer; may be empty
	ErrorID string // request id that support can look up; may be empty
	// Restart is the path of ours, with its query, that begins the same request anew; "" offers nothing.
	Restart string
}

// Field is one name and value of a form.
type Field struct{ Name, Value string }

// FormPostView sends an authorization response by form_post (OAuth 2.0 Form Post Response Mode §2).
type FormPostView struct {
	Action     string // the redirect URI, already matched by the caller; http or https
	ClientName string
	Fields     []Field
}

// link is a link of the client's on a page.
type link struct{ URL, Text string }
