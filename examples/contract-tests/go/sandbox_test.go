package keyservice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// world is the sandbox's own world, or a tenant's: data, clock and faults. There is more in its
// facts.
type world struct {
	BaseURL    string `json:"base_url"`
	ControlURL string `json:"control_url"`
	OrgID      string `json:"org_id"`
	EnvID      string `json:"env_id"`
	Key        string `json:"key"`
}

var sandbox world

// TestMain starts one sandbox for all tests.
func TestMain(m *testing.M) {
	os.Exit(inSandbox(m.Run))
}

func inSandbox(run func() int) int {
	command := os.Getenv("HOOKSTREAM_KEYS")
	if command == "" {
		command = "hookstream-keys"
	}
	// It stops also when this process is killed, or ends by the timeout of go test.
	process := exec.Command(command, "sandbox", "--json", "--stop-with", fmt.Sprint(os.Getpid()))
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err == nil {
		err = process.Start()
	}
	if err == nil {
		defer func() {
			process.Process.Signal(syscall.SIGTERM)
			process.Wait()
		}()
		// One line, once it accepts connections.
		err = json.NewDecoder(output).Decode(&sandbox)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, command, "sandbox did not start:", err)
		return 1
	}
	return run()
}

// begin returns a tenant of the test's own, in which it runs in parallel, and the client under test.
func begin(t *testing.T, name string) (world, *Service) {
	t.Helper()
	t.Parallel()
	var own world
	sandbox.control(t, "POST", "/tenants", map[string]any{"name": name}, &own)
	return own, New(own.BaseURL, own.Key)
}

// advance moves the clock: no test waits.
func (w world) advance(t *testing.T, seconds int) {
	t.Helper()
	w.control(t, "POST", "/clock", map[string]any{"advance_seconds": seconds}, nil)
}

// fail makes the next request of an operation fail: {"status": 503}, {"drop": true}.
func (w world) fail(t *testing.T, operation string, how map[string]any) {
	t.Helper()
	how["operation"] = operation
	w.control(t, "POST", "/faults", how, nil)
}

// sent returns the header fields of the requests of an operation.
func (w world) sent(t *testing.T, operation string) []map[string]string {
	t.Helper()
	var recorded struct {
		Requests []struct {
			Headers map[string]string `json:"headers"`
		} `json:"requests"`
	}
	w.control(t, "GET", "/requests?operation="+operation, nil, &recorded)
	var headers []map[string]string
	for _, each := range recorded.Requests {
		headers = append(headers, each.Headers)
	}
	return headers
}

func (w world) control(t *testing.T, method, path string, body, found any) {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(method, w.ControlURL+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 400 {
		t.Fatalf("%s %s: %v %s", method, path, err, answer)
	}
	if found != nil {
		if err := json.Unmarshal(answer, found); err != nil {
			t.Fatal(err)
		}
	}
}
