// Package templates holds every page a person sees, and the assets they need: embedded, parsed once, one typed view per
// page. It decides nothing and imports nothing of ours.
//
//	Login ─▶ Consent ─▶ FormPost (the answer travels back in a form)
//	LogoutConfirm ─▶ LoggedOut
//	Error (when there is nowhere to return to)
//	/assets/<name>.<hash>.<ext> ◀─ Assets
//
// The pages contain no inline script and no inline style, name no other host, and work without JavaScript. Every text
// that comes from outside is a field of a view: it is cleaned of characters that reorder or hide text, then escaped by
// html/template.
package templates
