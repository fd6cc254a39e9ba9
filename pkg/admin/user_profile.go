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
	var problems []string
	need := func(ok bool, member, text string) {
		if !ok {
			problems = append(problems, member+" "+text)
		}
	}
	need(usernames.MatchString(username), "username", "must be 1 to 100 letters, digits or . _ @ + -")
	for _, text := range [][2]string{{"name", p.Name}, {"given_name", p.GivenName}, {"family_name", p.FamilyName},
		{"middle_name", p.MiddleName}, {"nickname", p.Nickname}, {"preferred_username", p.PreferredUsername}, {"gender", p.Gender}} {
		need(textOK(text[1], 200), text[0], "may have 200 characters, none of them invisible")
	}
	for _, link := range [][2]string{{"profile", p.ProfileURL}, {"picture", p.Picture}, {"website", p.Website}} {
		need(link[1] == "" || httpsURL(link[1]), link[0], "must be an https URL")
	}
	need(p.Birthdate == "" || birthdates.MatchString(p.Birthdate) && dateOK(p.Birthdate), "birthdate", "must be YYYY-MM-DD, 0000-MM-DD or YYYY")
	need(p.ZoneInfo == "" || len(p.ZoneInfo) <= 64 && zones.MatchString(p.ZoneInfo), "zoneinfo", "must be a time zone name, as Europe/Paris")
	need(p.Locale == "" || len(p.Locale) <= 64 && locales.MatchString(p.Locale), "locale", "must be a language tag, as en-GB")
	need(p.Email == "" || len(p.Email) <= 254 && emails.MatchString(p.Email), "email", "must be an e-mail address")
	need(p.PhoneNumber == "" || phones.MatchString(p.PhoneNumber), "phone_number", "must be in E.164 form, as +4930123456")
	need(p.Email != "" || p.PhoneNumber != "", "email", "or phone_number is needed")
	need(!p.EmailVerified || p.Email != "", "email_verified", "needs an email")
	need(!p.PhoneNumberVerified || p.PhoneNumber != "", "phone_number_verified", "needs a phone_number")
	if a := p.Address; a != nil {
		for _, text := range []string{a.StreetAddress, a.Locality, a.Region, a.PostalCode, a.Country} {
			need(textOK(text, 200), "address", "members may have 200 characters, none of them invisible")
		}
		// OIDC Core §5.1.1 lets formatted and street_address hold line breaks; here formatted alone may.
		need(textOK(strings.ReplaceAll(a.Formatted, "\n", " "), 600), "address", "formatted may have 600 characters")
	}
	if len(problems) == 0 {
		return nil
	}
	return badRequest("user_profile", "%s.", strings.Join(problems[:min(len(problems), 20)], "; "))
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
