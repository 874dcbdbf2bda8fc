package keyservice

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func (w world) newKey() NewKey {
	return NewKey{Name: "Production key", OrgID: w.OrgID, EnvID: w.EnvID}
}

func mustCreate(t *testing.T, service *Service, key NewKey) Key {
	t.Helper()
	made, err := service.Create(key)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func expect(t *testing.T, service *Service, secret, scopes, code string) {
	t.Helper()
	found, err := service.Verify(secret, scopes)
	if err != nil || found != code {
		t.Fatalf("%s instead of %s, %v", found, code, err)
	}
}

func TestPlaysAKeysWholeLife(t *testing.T) {
	world, service := begin(t, "life")
	wanted := world.newKey()
	wanted.Scopes = "events:read"
	key := mustCreate(t, service, wanted)
	expect(t, service, key.Secret, "", "VALID")
	expect(t, service, key.Secret, "events:write", "INSUFFICIENT_SCOPE")

	secret, err := service.Rotate(key.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, service, secret, "", "VALID")
	expect(t, service, key.Secret, "", "VALID") // The old secret, in its grace period.
	world.advance(t, 3600)
	expect(t, service, key.Secret, "", "EXPIRED")

	if err := service.Disable(key.ID); err != nil {
		t.Fatal(err)
	}
	expect(t, service, secret, "", "DISABLED")
	if err := service.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	expect(t, service, secret, "", "REVOKED")
}

func TestReadsErrorsAsTypes(t *testing.T) {
	world, service := begin(t, "errors")
	invalid := world.newKey()
	invalid.Name = ""
	_, err := service.Create(invalid)
	var failed *Error
	if !errors.As(err, &failed) || failed.Code != "bad_request" {
		t.Fatal(err)
	}
	if len(failed.Details) == 0 || failed.Details[0].Location != "body/name" {
		t.Fatal(failed.Details)
	}
	err = service.Disable("ak_0")
	if !errors.As(err, &failed) || failed.Status != 404 || failed.Code != "api_key_not_found" {
		t.Fatal(err)
	}
	if len(failed.RequestID) != len("req_")+32 {
		t.Fatal(failed.RequestID)
	}
}

func TestWaitsAndSendsAgainButNotWithoutEnd(t *testing.T) {
	for _, status := range []int{429, 503} {
		status := status
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			world, service := begin(t, fmt.Sprint("retry-", status))
			how := func(times int) map[string]any {
				return map[string]any{"status": status, "retry_after": 0, "times": times}
			}
			world.fail(t, "createApiKey", how(Attempts-1))
			key := mustCreate(t, service, world.newKey())
			expect(t, service, key.Secret, "", "VALID")

			world.fail(t, "verifyApiKey", how(Attempts))
			_, err := service.Verify(key.Secret, "")
			var failed *Error
			if !errors.As(err, &failed) || failed.Status != status {
				t.Fatal(err)
			}
		})
	}
}

func TestMakesOneKeyAlthoughTheAnswerIsLost(t *testing.T) {
	world, service := begin(t, "lost")
	world.fail(t, "createApiKey", map[string]any{"drop": true, "when": "after_commit"})
	key := mustCreate(t, service, world.newKey())
	expect(t, service, key.Secret, "", "VALID")
	// Both were the same request; the second got the answer of the first.
	sent := world.sent(t, "createApiKey")
	if len(sent) != 2 || sent[0]["idempotency-key"] != sent[1]["idempotency-key"] {
		t.Fatal(sent)
	}
}
