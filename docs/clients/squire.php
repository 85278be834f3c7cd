<?php
// A client of Squire for PHP 8.0 or newer, with nothing but its own functions.
declare(strict_types=1);

/** What the agent answered in place of a result: docs/reference/errors.md describes its `error`. */
final class Refusal extends RuntimeException
{
    public array $error = [];
}

/** Nobody answered: the call may have been done or not, and so it is not repeated. */
final class Lost extends RuntimeException {}

final class Squire
{
    private $socket = null;

    public function __construct(private ?string $path = null, private float $timeout = 5.0)
    {
        $this->path ??= getenv('SQUIRE_SOCKET') ?: '/run/squire/squire.sock';
    }

    /** Connects where the agent closed the connection, and waits for one that is being restarted. */
    private function connect(): void
    {
        for ($end = microtime(true) + $this->timeout; !$this->socket || feof($this->socket); usleep(50_000)) {
            $this->socket = @stream_socket_client("unix://$this->path", $code, $reason, $this->timeout);
            if ($this->socket) {
                return;
            } elseif (microtime(true) > $end) {
                throw new Lost("$this->path: $reason");
            }
        }
    }

    public function call(string $method, array $params = []): array
    {
        $this->connect();
        $params['_meta'] = ['deadline_ms' => (int) ($this->timeout * 1000)];
        $request = ['jsonrpc' => '2.0', 'id' => 1, 'method' => $method, 'params' => $params];
        // The agent keeps the time; the limit is for one that hangs.
        stream_set_timeout($this->socket, (int) $this->timeout + 1);
        @fwrite($this->socket, json_encode($request, JSON_THROW_ON_ERROR) . "\n");
        do {
            $reply = $this->read();
        } while (!array_key_exists('id', $reply)); // What has no id is not for this call.
        if (isset($reply['error'])) {
            $refusal = new Refusal($reply['error']['message']);
            $refusal->error = $reply['error'];
            throw $refusal;
        }
        return $reply['result'];
    }

    private function read(): array
    {
        $line = fgets($this->socket);
        if ($line === false) {
            $this->socket = null;
            throw new Lost('no answer from the agent');
        }
        return json_decode($line, true, flags: JSON_THROW_ON_ERROR);
    }

    /** Yields what a subscription brings, for ever; null where messages may be missing. Needs its own Squire. */
    public function messages(string $method, array $params): Generator
    {
        for (;; usleep(100_000), yield null) {
            try {
                $this->call($method, $params);
                stream_set_timeout($this->socket, 1 << 31);
                while (!str_ends_with(($push = $this->read())['method'], '.closed')) {
                    yield str_ends_with($push['method'], '.message') ? $push['params'] : null;
                }
            } catch (Lost | Refusal $fault) {
                if ($fault instanceof Refusal && !$fault->error['data']['retryable']) {
                    throw $fault;
                }
            }
            $this->socket = null;
        }
    }
}

if (realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    $agent = new Squire(timeout: 2.0);
    $agent->call('cache.set', ['key' => 'client:php', 'value' => ['name' => 'Ada'], 'ttl_ms' => 60_000]);
    echo $agent->call('cache.get', ['key' => 'client:php'])['value']['name'], "\n";
    foreach ((new Squire())->messages('channel.subscribe', ['channel' => 'news']) as $push) {
        fwrite($push ? STDOUT : STDERR, ($push['message'] ?? 'some may be missing') . "\n");
        if ($push && $push['message'] === 'end') {
            break;
        }
    }
    echo $agent->call('cache.get', ['key' => 'client:php'])['value']['name'], "\n"; // Over a restart, if there was one.
}
