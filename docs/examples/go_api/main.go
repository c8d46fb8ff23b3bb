// An API of your own that asks Latchkey about each request, with net/http. docs/apis.md says how to run it.

package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	check, err := url.Parse(setting("LATCHKEY_URL", "http://127.0.0.1:8001") + "/api/v1/verify")
	if err != nil {
		log.Fatal(err)
	}
	seconds, err := time.ParseDuration(setting("LATCHKEY_SECONDS", "10") + "s")
	if err != nil {
		log.Fatal(err)
	}
	proxies, err := strconv.Atoi(setting("TRUSTED_PROXIES", "0"))
	if err != nil {
		log.Fatal(err)
	}
	// Unless told otherwise, Go keeps two connections to a server open, and opens one for each further request.
	pool := &http.Transport{
		MaxIdleConnsPerHost:   100,
		IdleConnTimeout:       30 * time.Second,
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		ResponseHeaderTimeout: seconds,
	}
	latchkey := Latchkey{Check: *check, Pool: pool, ClientOf: behind(proxies)}

	http.HandleFunc("/whose", latchkey.Needs("", whose))
	http.HandleFunc("/copies", latchkey.Needs("scope=files:read+files:write&cost=5", whose))
	http.HandleFunc("/limits", latchkey.Needs("cost=0", whose))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+setting("PORT", "9000"), nil))
}

func whose(w http.ResponseWriter, r *http.Request, identity Identity) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(identity)
}

// behind returns where a request came from: the connection's address, or behind so many proxies of yours what the first
// of them wrote. Entries further left in X-Forwarded-For are the client's own claim.
func behind(proxies int) func(*http.Request) (string, string) {
	return func(r *http.Request) (address, protocol string) {
		protocol = "http"
		if r.TLS != nil {
			protocol = "https"
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if proxies == 0 || len(hops) < proxies {
			return r.RemoteAddr, protocol
		}
		return hops[len(hops)-proxies], r.Header.Get("X-Forwarded-Proto")
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
