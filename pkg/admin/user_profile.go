package admin

import (
	"regexp"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

var (
	usernames  = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}\p{M}._@+-]{0,99}$`)
	emails     = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
	phones     = regexp.MustCompile(`^\+[1-9][0-9]{5,14}(;ext=[0-9]{1,10})?$`) // E.164, RFC 3966 extension
	birthdates = regexp.MustCompile(`^([0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2})$`)
	locales    = regexp.MustCompile(`^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$`)
	zones      = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`)
)

// profileProblems judges a login name and standard claims. They are served to clients as they are, so that what is
// wrong here would be wrong at every relying party. Error: CodeInvalidRequest.
func profileProblems(username string, p *signet.Profile) error {
	var j faults
	j.need(usernames.MatchString(username), "username", "must be 1 to 100 letters, digits or . _ @ + -")
	j.about(p)
	j.reach(p)
	j.address(p.Address)
	return j.refuse("user_profile")
}

// about is the person (scope profile).
func (j *faults) about(p *signet.Profile) {
	for _, text := range [][2]string{{"name", p.Name}, {"given_name", p.GivenName}, {"family_name", p.FamilyName},
		{"middle_name", p.MiddleName}, {"nickname", p.Nickname}, {"preferred_username", p.PreferredUsername}, {"gender", p.Gender}} {
		j.need(textOK(text[1], 200), text[0], "may have 200 characters, none of them invisible")
	}
	for _, link := range [][2]string{{"profile", p.ProfileURL}, {"picture", p.Picture}, {"website", p.Website}} {
		j.need(link[1] == "" || httpsURL(link[1]), link[0], "must be an https URL")
	}
	j.need(p.Birthdate == "" || birthdates.MatchString(p.Birthdate) && dateOK(p.Birthdate), "birthdate", "must be YYYY-MM-DD, 0000-MM-DD or YYYY")
	j.need(p.ZoneInfo == "" || len(p.ZoneInfo) <= 64 && zones.MatchString(p.ZoneInfo), "zoneinfo", "must be a time zone name, as Europe/Paris")
	j.need(p.Locale == "" || len(p.Locale) <= 64 && locales.MatchString(p.Locale), "locale", "must be a language tag, as en-GB")
}

// reach is how to reach the person (scopes email and phone); one of them is needed (document 001).
func (j *faults) reach(p *signet.Profile) {
	j.need(p.Email == "" || len(p.Email) <= 254 && emails.MatchString(p.Email), "email", "must be an e-mail address")
	j.need(p.PhoneNumber == "" || phones.MatchString(p.PhoneNumber), "phone_number", "must be in E.164 form, as +4930123456")
	j.need(p.Email != "" || p.PhoneNumber != "", "email", "or phone_number is needed")
	j.need(!p.EmailVerified || p.Email != "", "email_verified", "needs an email")
	j.need(!p.PhoneNumberVerified || p.PhoneNumber != "", "phone_number_verified", "needs a phone_number")
}

// address: OIDC Core §5.1.1 lets formatted and street_address hold line breaks.
func (j *faults) address(a *signet.Address) {
	if a == nil {
		return
	}
	for _, text := range []string{a.Locality, a.Region, a.PostalCode, a.Country} {
		j.need(textOK(text, 200), "address", "members may have 200 characters, none of them invisible")
	}
	for _, text := range []string{a.Formatted, a.StreetAddress} {
		j.need(textOK(strings.ReplaceAll(text, "\n", " "), 600), "address", "lines may have 600 characters in all, none of them invisible")
	}
}

func dateOK(text string) bool {
	if len(text) == 4 {
		return text != "0000"
	}
	// A year left out is written 0000; a leap year stands for it, so that 29 February passes.
	if strings.HasPrefix(text, "0000") {
		text = "2000" + text[4:]
	}
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}
