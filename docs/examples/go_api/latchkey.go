// Asks Latchkey about each request before a handler gets it. docs/apis.md says what each part is for.

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const unavailable = `{"meta":{"request_id":"%s","project_id":null,"type":"error"},"data":null,"links":{},"error":
{"code":"unavailable","message":"Temporarily unavailable. Try again shortly."}}`

var refusals = map[int]bool{401: true, 403: true, 422: true, 429: true, 503: true}

// Identity says whose request it is: answer with this project's data and no other's.
type Identity struct{ Key, Project, User, Scopes string }

// Latchkey has the address of the check. ClientOf says from which address, and by which protocol, a request came.
type Latchkey struct {
	Check    url.URL
	Pool     *http.Transport
	ClientOf func(*http.Request) (address, protocol string)
}

// Needs passes on what Latchkey allows. The query says what a request needs: "scope=files:write&cost=5".
func (l Latchkey) Needs(query string, next func(http.ResponseWriter, *http.Request, Identity)) http.HandlerFunc {
	l.Check.RawQuery = query
	return func(w http.ResponseWriter, r *http.Request) {
		address, protocol := l.ClientOf(r)
		// The request to Latchkey is a new one: of the client's headers, it has the key alone.
		told := http.Header{"X-Forwarded-For": {address}, "X-Forwarded-Proto": {protocol}, "X-Forwarded-Method": {r.Method}}
		told["Authorization"] = r.Header["Authorization"]
		ask := &http.Request{Method: "HEAD", URL: &l.Check, Header: told}
		// A Transport follows no redirect.
		answer, err := l.Pool.RoundTrip(ask.WithContext(r.Context()))
		if err != nil {
			answer = &http.Response{}
		}
		status, said, refusal := answer.StatusCode, answer.Header, answer.Header.Get("X-Latchkey-Refusal")
		if status == 204 && strings.HasPrefix(said.Get("X-Latchkey-Key"), "key_") {
			w.Header()["Ratelimit"], w.Header()["Ratelimit-Policy"] = said["Ratelimit"], said["Ratelimit-Policy"]
			of := func(name string) string { return said.Get("X-Latchkey-" + name) }
			next(w, r, Identity{of("Key"), of("Project"), of("User"), of("Scopes")})
			return
		}
		if !refusals[status] || refusal == "" {
			// Latchkey did not answer, or something else did.
			id := fmt.Sprintf("req_%016x", time.Now().UnixNano())
			status, refusal = 503, fmt.Sprintf(unavailable, id)
			said = http.Header{"Content-Type": {"application/json"}, "Retry-After": {"5"}, "X-Request-Id": {id}}
		}
		for _, n := range strings.Fields("Content-Type Www-Authenticate Retry-After X-Request-Id Ratelimit Ratelimit-Policy") {
			w.Header()[n] = said[n]
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		fmt.Fprint(w, refusal)
	}
}
