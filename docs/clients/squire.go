// A client of Squire for Go 1.18 or newer, with nothing but its standard library.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Refusal is what the agent answered in place of a result; docs/reference/errors.md describes it.
type Refusal struct {
	Code    int
	Message string
	Data    struct {
		Kind      string
		Retryable bool
	}
}

func (refusal *Refusal) Error() string { return refusal.Message + " (" + refusal.Data.Kind + ")" }

// Message is a reply, or, without an ID, what came unasked.
type Message struct {
	ID     *int
	Result json.RawMessage
	Error  *Refusal
	Method string
	Params struct{ Message json.RawMessage }
}

// Squire is one connection for one goroutine.
type Squire struct {
	Path    string
	Timeout time.Duration
	socket  net.Conn
	lines   *bufio.Reader
}

// New uses SQUIRE_SOCKET, or else the socket of the host's agent.
func New(timeout time.Duration) *Squire {
	path := os.Getenv("SQUIRE_SOCKET")
	if path == "" {
		path = "/run/squire/squire.sock"
	}
	return &Squire{Path: path, Timeout: timeout}
}

// connect connects where no connection is open, and waits for an agent that is being restarted.
func (squire *Squire) connect() (err error) {
	if squire.socket != nil && !squire.isClosed() {
		return nil
	}
	for end := time.Now().Add(squire.Timeout); ; time.Sleep(50 * time.Millisecond) {
		if squire.socket, err = net.DialTimeout("unix", squire.Path, squire.Timeout); err == nil {
			squire.lines = bufio.NewReader(squire.socket)
			return nil
		}
		if squire.socket = nil; time.Now().After(end) {
			return err
		}
	}
}

func (squire *Squire) isClosed() bool {
	squire.socket.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := squire.lines.Peek(1)
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func (squire *Squire) close() {
	if squire.socket != nil {
		squire.socket.Close()
	}
	squire.socket = nil
}

// Call calls a method. An error that is no *Refusal means that nobody answered: the call may have been done or not, so
// it is not repeated.
func (squire *Squire) Call(method string, params map[string]any, result any) error {
	if err := squire.connect(); err != nil {
		return err
	}
	params["_meta"] = map[string]any{"deadline_ms": squire.Timeout.Milliseconds()}
	request := map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
	// The agent keeps the time; this is for an agent that hangs.
	squire.socket.SetDeadline(time.Now().Add(squire.Timeout + time.Second))
	if err := json.NewEncoder(squire.socket).Encode(request); err != nil {
		squire.close()
		return err
	}
	for {
		reply, err := squire.read()
		switch {
		case err != nil:
			return err
		case reply.Error != nil:
			return reply.Error
		case reply.ID != nil: // What has none is not for this call.
			return json.Unmarshal(reply.Result, result)
		}
	}
}

func (squire *Squire) read() (message Message, err error) {
	line, err := squire.lines.ReadBytes('\n')
	if err != nil {
		squire.close()
		return message, err
	}
	return message, json.Unmarshal(line, &message)
}

// Messages hands what a subscription brings to take, until that returns false; nil where some may be missing. It
// needs its own Squire.
func (squire *Squire) Messages(method string, params map[string]any, take func(json.RawMessage) bool) error {
	defer squire.close()
	for {
		var refusal *Refusal
		err := squire.Call(method, params, &struct{}{})
		if errors.As(err, &refusal) && !refusal.Data.Retryable {
			return err
		}
		for push := (Message{}); err == nil; {
			squire.socket.SetDeadline(time.Time{})
			if push, err = squire.read(); err != nil || strings.HasSuffix(push.Method, ".closed") {
				break
			}
			// Everything but a message says that some may be missing.
			if !take(push.Params.Message) {
				return nil
			}
		}
		squire.close()
		time.Sleep(100 * time.Millisecond)
		if !take(nil) {
			return nil
		}
	}
}

func name(agent *Squire) string {
	var entry struct{ Value struct{ Name string } }
	if err := agent.Call("cache.get", map[string]any{"key": "client:go"}, &entry); err != nil {
		panic(err)
	}
	return entry.Value.Name
}

func main() {
	agent := New(2 * time.Second)
	entry := map[string]any{"key": "client:go", "value": map[string]string{"name": "Ada"}, "ttl_ms": 60000}
	if err := agent.Call("cache.set", entry, &struct{}{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(name(agent))
	err := New(5*time.Second).Messages("channel.subscribe", map[string]any{"channel": "news"}, func(message json.RawMessage) bool {
		var text string
		if message == nil {
			fmt.Fprintln(os.Stderr, "some may be missing")
		} else if json.Unmarshal(message, &text) == nil {
			fmt.Println(text)
		}
		return text != "end"
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The agent may have been restarted meanwhile.
	fmt.Println(name(agent))
}
