// Package keyservice is the client under test: what an application needs of hookstream-keys.
package keyservice

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Attempts is how often a request is sent that gets no answer, 429 or 503.
const Attempts = 3

// Error is an error that the API has answered.
type Error struct {
	Message   string `json:"error"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
	Details   []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"details"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("%d %s: %s (%s)", e.Status, e.Code, e.Message, e.RequestID)
}

// Key is a new key.
type Key struct {
	ID     string `json:"id"`
	Secret string `json:"key"`
}

// NewKey says what to make.
type NewKey struct {
	Name   string `json:"name"`
	OrgID  string `json:"org_id"`
	EnvID  string `json:"env_id"`
	Scopes string `json:"scopes,omitempty"`
}

// Service creates and verifies API keys.
type Service struct {
	baseURL, apiKey string
	client          http.Client
}

// New returns the service at an URL that ends in /v1.
func New(baseURL, apiKey string) *Service {
	return &Service{baseURL, apiKey, http.Client{Timeout: 10 * time.Second}}
}

// Create makes one key, however often it is sent: retries have the same Idempotency-Key.
func (s *Service) Create(key NewKey) (made Key, err error) {
	once := make([]byte, 16)
	if _, err = rand.Read(once); err != nil {
		return made, err
	}
	err = s.send("POST", "/auth/api-keys", key, &made, hex.EncodeToString(once))
	return made, err
}

// Verify returns whether a key is valid: VALID, or why not.
func (s *Service) Verify(secret, scopes string) (string, error) {
	body := map[string]string{"key": secret}
	if scopes != "" {
		body["scopes"] = scopes
	}
	var outcome struct {
		Code string `json:"code"`
	}
	err := s.send("POST", "/auth/api-keys/verify", body, &outcome, "")
	return outcome.Code, err
}

// Rotate returns a new secret. The old one is accepted until the grace period after its first use
// ends.
func (s *Service) Rotate(id string, grace time.Duration) (string, error) {
	body := map[string]int{"grace_period_seconds": int(grace.Seconds())}
	var rotated Key
	err := s.send("POST", "/auth/api-keys/"+url.PathEscape(id)+"/rotations", body, &rotated, "")
	return rotated.Secret, err
}

// Disable makes a key invalid until it is enabled again.
func (s *Service) Disable(id string) error {
	body := map[string]bool{"enabled": false}
	return s.send("PATCH", "/auth/api-keys/"+url.PathEscape(id), body, nil, "")
}

// Revoke makes a key invalid permanently.
func (s *Service) Revoke(id string) error {
	return s.send("DELETE", "/auth/api-keys/"+url.PathEscape(id), nil, nil, "")
}

// send stores the answer in `found`. Errors of the API are of the type *Error.
func (s *Service) send(method, path string, body, found any, idempotencyKey string) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for left := Attempts - 1; ; left-- {
		request, err := http.NewRequest(method, s.baseURL+path, bytes.NewReader(content))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+s.apiKey)
		if body != nil {
			request.Header.Set("Content-Type", "application/json")
		}
		if idempotencyKey != "" {
			request.Header.Set("Idempotency-Key", idempotencyKey)
		}
		response, err := s.client.Do(request)
		switch {
		case err != nil && left == 0:
			return err
		case err != nil:
			continue
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		switch {
		case err != nil && left == 0:
			return err
		case err != nil:
			continue
		case left > 0 && (response.StatusCode == 429 || response.StatusCode == 503):
			seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
			if err != nil {
				seconds = 1
			}
			time.Sleep(time.Duration(seconds) * time.Second)
			continue
		case response.StatusCode >= 400:
			failed := &Error{}
			if err := json.Unmarshal(answer, failed); err != nil {
				return fmt.Errorf("status %d: %w", response.StatusCode, err)
			}
			return failed
		case found == nil:
			return nil
		}
		return json.Unmarshal(answer, found)
	}
}
