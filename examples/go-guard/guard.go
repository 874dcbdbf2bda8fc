// Package guard protects handlers of net/http with API keys of hookstream-keys.
//
// It fails closed: a request passes only if the service says that its key is valid. If the service
// cannot be asked, or answers anything else, the response is 503.
package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	realm = `Bearer realm="api"`
	// The longest text that the API accepts as a key, and the longest response that is read.
	maxKey, maxResponse = 512, 1 << 20
)

// VerifiedKey is the caller's key, as the service has verified it.
type VerifiedKey struct {
	ID         string            `json:"id"`
	OrgID      string            `json:"org_id"`
	EnvID      string            `json:"env_id"`
	Name       string            `json:"name"`
	Scopes     string            `json:"scopes"`
	ExpiresAt  *string           `json:"expires_at"`
	Metadata   map[string]string `json:"metadata"`
	ExternalID *string           `json:"external_id"`
	RateLimit  *struct {
		Requests int `json:"requests"`
	} `json:"rate_limit"`
}

// Guard verifies keys at the service with this base URL, which ends in /v1. Its own key needs the
// scope api-keys:verify.
type Guard struct {
	BaseURL string
	Key     string
	// Client sends the verifications; its timeout is how long a request waits for its own.
	Client *http.Client
	// Address returns the end client's address. By default it is the peer's: behind a proxy, the
	// proxy's.
	Address func(*http.Request) string
}

// New returns a guard whose verifications take at most two seconds.
func New(baseURL, key string) *Guard {
	return &Guard{BaseURL: baseURL, Key: key, Client: &http.Client{Timeout: 2 * time.Second}, Address: PeerAddress}
}

// PeerAddress returns the address of the connection.
func PeerAddress(request *http.Request) string {
	host, _, err := net.SplitHostPort(request.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

type contextKey struct{}

// KeyOf returns the key of a request that has passed a guard, and nil for another one.
func KeyOf(request *http.Request) *VerifiedKey {
	key, _ := request.Context().Value(contextKey{}).(*VerifiedKey)
	return key
}

// Require returns a handler that passes a request on to next if its key covers the scopes, which are
// separated by spaces; "" requires none.
func (guard *Guard) Require(scopes string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		key, rejected := guard.check(request, scopes)
		if rejected != nil {
			rejected.write(writer)
			return
		}
		next.ServeHTTP(writer, request.WithContext(context.WithValue(request.Context(), contextKey{}, key)))
	})
}

// A rejection is the response to a request that does not pass.
type rejection struct {
	status  int
	code    string
	message string
	headers map[string]string
}

func (r *rejection) write(writer http.ResponseWriter) {
	for name, value := range r.headers {
		writer.Header().Set(name, value)
	}
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(r.status)
	body := map[string]any{"error": r.message, "status": r.status, "code": r.code}
	_ = json.NewEncoder(writer).Encode(body) // the client may be gone
}

type verification struct {
	Valid     bool         `json:"valid"`
	Code      string       `json:"code"`
	Key       *VerifiedKey `json:"api_key"`
	RateLimit *struct {
		Remaining  int `json:"remaining"`
		Reset      int `json:"reset_seconds"`
		RetryAfter int `json:"retry_after_seconds"`
	} `json:"rate_limit"`
}

func (guard *Guard) check(request *http.Request, scopes string) (*VerifiedKey, *rejection) {
	keys := keysOf(request)
	switch {
	case len(keys) == 0:
		return nil, unauthorized("")
	case len(keys) > 1:
		// RFC 6750, section 3.1: more than one method.
		challenge := map[string]string{"WWW-Authenticate": realm + `, error="invalid_request"`}
		return nil, &rejection{http.StatusBadRequest, "bad_request", "Send one key, not two.", challenge}
	case len(keys[0]) > maxKey:
		return nil, unauthorized("invalid_token")
	}
	question := map[string]string{"key": keys[0]}
	if scopes != "" {
		question["scopes"] = scopes
	}
	if address, err := netip.ParseAddr(guard.Address(request)); err == nil {
		// A socket for IPv6 shows 192.0.2.1 as ::ffff:192.0.2.1.
		question["ip"] = address.Unmap().WithZone("").String()
	}
	found, retryAfter, err := guard.ask(request.Context(), question)
	if err != nil {
		log.Printf("keys cannot be verified: %v", err)
		return nil, unavailable(retryAfter)
	}
	return found.outcome(scopes)
}

// ask returns the service's answer, or an error and the Retry-After of the response.
func (guard *Guard) ask(ctx context.Context, question map[string]string) (*verification, string, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, "", err
	}
	url := guard.BaseURL + "/auth/api-keys/verify"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Authorization", "Bearer "+guard.Key)
	request.Header.Set("Content-Type", "application/json")
	response, err := guard.Client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, response.Header.Get("Retry-After"), fmt.Errorf("the service answered %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, "", err
	}
	found := new(verification)
	if err := json.Unmarshal(text, found); err != nil {
		return nil, "", errors.New("the service's answer is not the JSON of a verification")
	}
	return found, "", nil
}

func (found *verification) outcome(scopes string) (*VerifiedKey, *rejection) {
	switch found.Code {
	case "VALID":
		if found.Valid && found.Key != nil {
			return found.Key, nil
		}
		return nil, unavailable("")
	case "":
		return nil, unavailable("")
	case "MALFORMED", "NOT_FOUND", "REVOKED", "DISABLED", "EXPIRED", "IP_NOT_ALLOWED":
		// The same for all of them: it does not tell whether the key exists.
		return nil, unauthorized("invalid_token")
	case "RATE_LIMITED":
		return nil, found.rateLimited()
	case "INSUFFICIENT_SCOPE":
		challenge := fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, realm, scopes)
		message := "The key's scopes do not cover " + scopes + "."
		headers := map[string]string{"WWW-Authenticate": challenge}
		return nil, &rejection{http.StatusForbidden, "insufficient_scope", message, headers}
	default: // A later server may add codes.
		return nil, &rejection{http.StatusForbidden, "forbidden", "The key is not accepted for this request.", nil}
	}
}

func (found *verification) rateLimited() *rejection {
	headers := map[string]string{"Retry-After": "1"}
	if state := found.RateLimit; state != nil {
		headers["Retry-After"] = strconv.Itoa(state.RetryAfter)
		headers["RateLimit-Remaining"] = strconv.Itoa(state.Remaining)
		headers["RateLimit-Reset"] = strconv.Itoa(state.Reset)
	}
	if found.Key != nil && found.Key.RateLimit != nil {
		headers["RateLimit-Limit"] = strconv.Itoa(found.Key.RateLimit.Requests)
	}
	return &rejection{http.StatusTooManyRequests, "rate_limited", "The key exceeds its rate limit.", headers}
}

// keysOf returns the different keys in Authorization: Bearer and in X-API-Key.
func keysOf(request *http.Request) []string {
	var keys []string
	scheme, token, _ := strings.Cut(strings.TrimSpace(request.Header.Get("Authorization")), " ")
	if token = strings.TrimSpace(token); strings.EqualFold(scheme, "bearer") && token != "" {
		keys = append(keys, token)
	}
	for _, key := range request.Header.Values("X-API-Key") {
		if key != "" && (len(keys) == 0 || keys[0] != key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func unauthorized(code string) *rejection {
	challenge, message := realm, "No key was sent. Send an API key in Authorization: Bearer or X-API-Key."
	if code != "" {
		challenge += `, error="` + code + `"`
		message = "The key is not valid: unknown, revoked, disabled, expired or not allowed here."
	}
	headers := map[string]string{"WWW-Authenticate": challenge}
	return &rejection{http.StatusUnauthorized, "unauthorized", message, headers}
}

func unavailable(retryAfter string) *rejection {
	if retryAfter == "" {
		retryAfter = "1"
	}
	message := "Keys cannot be verified at the moment; try again."
	headers := map[string]string{"Retry-After": retryAfter}
	return &rejection{http.StatusServiceUnavailable, "unavailable", message, headers}
}
