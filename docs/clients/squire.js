// A client of Squire for Node 18 or newer, with nothing but its own modules.
"use strict";
const net = require("node:net");
const { setTimeout: pause } = require("node:timers/promises");

class Squire {
  constructor({ path = process.env.SQUIRE_SOCKET ?? "/run/squire/squire.sock", timeout = 5000 } = {}) {
    Object.assign(this, { path, timeout, id: 0, calls: new Map(), pushes: [], wake: () => {}, socket: null });
  }

  // Connects where no connection is open, and waits for an agent that is being restarted.
  async connect() {
    for (const end = Date.now() + this.timeout; !this.socket || this.socket.destroyed; ) {
      const socket = net.connect(this.path).setEncoding("utf8");
      try {
        await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
        if (this.socket && !this.socket.destroyed) socket.destroy(); // Another call was faster.
        else this.read((this.socket = socket));
      } catch (error) {
        if (!["ENOENT", "ECONNREFUSED"].includes(error.code) || Date.now() > end) throw error;
        await pause(50);
      }
    }
    return this.socket;
  }

  read(socket) {
    let rest = "", error = { message: "the agent closed the connection" };
    socket.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const message of lines.map((line) => JSON.parse(line))) {
        if ("id" in message) this.calls.get(message.id)?.(message);
        else this.pushes.push(message), this.wake();
      }
    });
    socket.on("error", (fault) => (error = fault));
    socket.on("close", () => {
      for (const finish of this.calls.values()) finish({ error });
      if (this.socket === socket) this.pushes.push({ method: ".closed" }), this.wake();
    });
  }

  // Calls a method. An error without `data` (docs/reference/errors.md) means that nobody answered: it may have been
  // done or not, and so it is not repeated.
  async call(method, params = {}) {
    const socket = await this.connect(), id = ++this.id, _meta = { deadline_ms: this.timeout };
    return new Promise((resolve, reject) => {
      // The agent keeps the time; this is for one that hangs.
      const timer = setTimeout(() => socket.destroy(new Error("no answer in time")), this.timeout + 1000);
      this.calls.set(id, ({ result, error }) => {
        clearTimeout(timer);
        this.calls.delete(id);
        if (error) reject(Object.assign(new Error(`${method}: ${error.message}`), { data: error.data }));
        else resolve(result);
      });
      socket.write(JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta } }) + "\n");
    });
  }

  // Yields what a subscription brings, for ever; null where messages may be missing. Needs its own Squire.
  async *messages(method, params) {
    for (;; await pause(100), yield null) {
      try {
        await this.call(method, params);
        for (;;) {
          while (this.pushes.length === 0) await new Promise((resolve) => (this.wake = resolve));
          const push = this.pushes.shift();
          if (push.method.endsWith(".closed")) break;
          yield push.method.endsWith(".message") ? push.params : null;
        }
      } catch (error) {
        if (error.data?.retryable === false) throw error;
      } finally {
        this.socket?.destroy();
        [this.socket, this.pushes] = [null, []];
      }
    }
  }
}

async function main() {
  const agent = new Squire({ timeout: 2000 });
  await agent.call("cache.set", { key: "client:node", value: { name: "Ada" }, ttl_ms: 60_000 });
  console.log((await agent.call("cache.get", { key: "client:node" })).value.name);
  for await (const push of new Squire().messages("channel.subscribe", { channel: "news" })) {
    push ? console.log(push.message) : console.error("some may be missing");
    if (push?.message === "end") break;
  }
  console.log((await agent.call("cache.get", { key: "client:node" })).value.name); // Over a restart, if there was one.
  agent.socket.destroy();
}

if (require.main === module) main().catch((error) => (console.error(error.message), (process.exitCode = 1)));
module.exports = { Squire };
