# A client of Squire for Ruby 2.7 or newer, with nothing but the standard library.

require "io/wait"
require "json"
require "socket"

class Squire
  # What the agent answered in place of a result: docs/reference/errors.md describes its `error`.
  Refusal = Class.new(StandardError) { attr_accessor :error }
  # Nobody answered: the call may have been done or not, and so it is not repeated.
  Lost = Class.new(StandardError)

  def initialize(path: ENV.fetch("SQUIRE_SOCKET", "/run/squire/squire.sock"), timeout: 5.0)
    @path, @timeout, @socket = path, timeout, nil
  end

  # Connects where the agent closed the connection, and waits for one that is being restarted.
  def connect
    return if @socket && !(@socket.wait_readable(0) && @socket.eof?)
    patience = Process.clock_gettime(Process::CLOCK_MONOTONIC) + @timeout
    begin
      @socket = UNIXSocket.new(@path)
    rescue Errno::ENOENT, Errno::ECONNREFUSED
      raise if Process.clock_gettime(Process::CLOCK_MONOTONIC) > patience
      sleep 0.05
      retry
    end
  end

  def call(method, **params)
    connect
    params[:_meta] = { deadline_ms: (@timeout * 1000).to_i }
    @socket.write(JSON.generate(jsonrpc: "2.0", id: 1, method: method, params: params), "\n")
    # The agent keeps the time; the limit is for one that hangs. What has no id is not for this call.
    reply = read(@timeout + 1) until reply&.key?("id")
    raise Refusal.new(reply["error"]["message"]).tap { _1.error = reply["error"] } if reply["error"]
    reply["result"]
  rescue SystemCallError, Lost => error
    @socket = nil
    raise Lost, "#{method}: #{error.message}"
  end

  def read(limit)
    line = @socket.gets if @socket.wait_readable(limit)
    line ? JSON.parse(line) : raise(Lost, "no answer from the agent")
  end

  # Yields what a subscription brings, for ever; nil where messages may be missing. Needs its own Squire.
  def messages(method, **params)
    loop do
      call(method, **params)
      until (push = read(nil))["method"].end_with?(".closed")
        yield push["method"].end_with?(".message") ? push["params"] : nil
      end
      raise Lost, "the subscription was closed"
    rescue Refusal, SystemCallError, Lost => error
      raise if error.is_a?(Refusal) && !error.error["data"]["retryable"]
      @socket = nil
      sleep 0.1
      yield nil
    end
  end
end

if $PROGRAM_NAME == __FILE__
  $stdout.sync = true
  agent = Squire.new(timeout: 2.0)
  agent.call("cache.set", key: "client:ruby", value: { name: "Ada" }, ttl_ms: 60_000)
  puts agent.call("cache.get", key: "client:ruby")["value"]["name"]
  Squire.new.messages("channel.subscribe", channel: "news") do |push|
    push ? puts(push["message"]) : warn("some may be missing")
    break if push && push["message"] == "end"
  end
  puts agent.call("cache.get", key: "client:ruby")["value"]["name"] # Over a restart, if there was one.
end
