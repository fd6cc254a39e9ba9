package templates

import "net/http"

// wordsFor returns what the error page says when the caller gives no words of its own.
func wordsFor(status int) (title, message string) {
	switch status {
	case http.StatusForbidden:
		return "This page does not belong here", "It was opened in another browser, or sent from another site. Go back to the application and start again."
	case http.StatusNotFound:
		return "There is nothing here", "The address is wrong, or the page has moved."
	case http.StatusMethodNotAllowed:
		return "That does not work here", "The page was asked for in a way that it does not answer."
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
		return "That was too much", "The request is larger than this server accepts."
	case http.StatusTooManyRequests:
		return "Too many attempts", "Wait a while, then try again."
	case http.StatusServiceUnavailable:
		return "Not available right now", "Try again in a few seconds."
	}
	if status >= http.StatusInternalServerError {
		return "Something went wrong", "The fault is ours. Try again; if it stays, tell us the reference."
	}
	return "This request cannot be completed", "The application sent a request that is not valid. Go back to it and start again."
}
