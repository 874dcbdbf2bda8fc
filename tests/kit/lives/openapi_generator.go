// The life of a key by the client that openapi-generator makes for Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	api "github.com/GIT_USER_ID/GIT_REPO_ID"
)

const unknown = "ak_00000000000000000000000000000000"

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	configuration := api.NewConfiguration()
	configuration.Servers = api.ServerConfigurations{{URL: os.Getenv("BASE_URL")}}
	client := api.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), api.ContextAPIKeys, map[string]api.APIKey{
		"apiKeyHeader": {Key: os.Getenv("API_KEY")},
	})

	verify := func(secret string) api.Verification {
		found, _, err := client.VerificationAPI.VerifyApiKey(ctx).
			VerifyRequest(*api.NewVerifyRequest(secret)).Execute()
		return *must(found, err)
	}

	request := api.NewCreateApiKeyRequest("Life", os.Getenv("ORG_ID"), os.Getenv("ENV_ID"))
	request.SetScopes("events:read")
	request.SetMetadata(map[string]string{"team": "billing"})
	request.SetRateLimit(*api.NewRateLimitRequest(100, 60))
	created, _, err := client.APIKeysAPI.CreateApiKey(ctx).CreateApiKeyRequest(*request).Execute()
	must(created, err)
	valid := verify(created.Key)
	rotated, _, err := client.APIKeysAPI.RotateApiKey(ctx, created.Id).
		RotateRequest(*api.NewRotateRequest(3600)).Execute()
	must(rotated, err)
	withNew, withOld := verify(rotated.Key), verify(created.Key)
	shown, _, err := client.APIKeysAPI.GetApiKey(ctx, created.Id).Execute()
	must(shown, err)
	change := api.NewUpdateApiKeyRequest()
	change.SetEnabled(false)
	_, _, err = client.APIKeysAPI.UpdateApiKey(ctx, created.Id).UpdateApiKeyRequest(*change).Execute()
	must(true, err)
	disabled := verify(rotated.Key)
	_, err = client.APIKeysAPI.RevokeApiKey(ctx, created.Id).
		Reason(api.REVOCATION_REASON_SUPERSEDED).Execute()
	must(true, err)
	revoked := verify(rotated.Key)
	page, _, err := client.APIKeysAPI.ListApiKeys(ctx).
		State(api.KEY_STATE_REVOKED).Name("Life").Execute()
	listed := must(page, err).ApiKeys[0]

	_, _, err = client.APIKeysAPI.GetApiKey(ctx, unknown).Execute()
	var refusal *api.GenericOpenAPIError
	if !errors.As(err, &refusal) {
		log.Fatal(err)
	}
	read, ok := refusal.Model().(api.ErrorResponse)
	if !ok || read.Code != api.ERROR_CODE_API_KEY_NOT_FOUND {
		log.Fatalf("%#v", refusal.Model())
	}

	text := must(json.Marshal(map[string]any{
		"codes": map[string]any{
			"created":  valid.Code,
			"rotated":  withNew.Code,
			"in grace": withOld.Code,
			"disabled": disabled.Code,
			"revoked":  revoked.Code,
		},
		"metadata":  valid.ApiKey.Metadata["team"],
		"remaining": valid.RateLimit.Remaining,
		"rotation":  shown.ApiKey.Rotations[0].State,
		"listed":    []any{listed.Id == created.Id, listed.State, listed.RevocationReason.Get()},
		"error":     []any{read.Status, read.Code, read.Error},
	}))
	fmt.Println(string(text))
}
