/// What `rpc bench --help` prints.
enum BenchHelp {
    static let text = """
        rpc bench puts a load on the agent and reports calls a second and latencies.

        Usage:
          rpc bench [options]

        Examples:
          rpc bench
          rpc bench --mix get:9,set:1 --distribution zipf --connections 50 --pipeline 16
          rpc bench --rate 20000 --duration 30s
          rpc bench --compare valkey://localhost:6379
          rpc bench --source 50ms --distribution zipf

        The load:
          --mix LIST          methods and weights: get, set, get_many, increment, delete, ping (get)
          --keys N            number of keys (10000)
          --distribution D    uniform, sequential, zipf (exponent 0.99) or zipf:EXPONENT (uniform)
          --value-bytes SIZE  size of a value, such as 64 or 64KiB (64)
          --many N            keys of a get_many (100)
          --fresh             reads ask Valkey whatever the agent's memory holds
          --connections N     connections (50)
          --pipeline N        calls in flight on each (1)
          --idle N            connections that are open and silent meanwhile (0)
          --rate N            calls a second begun on schedule, however late the replies are
          --warm-up 1s        time before the counting begins
          --duration 5s       time over which calls are counted
          --ttl 1h            life of the entries (1h)
          --seed N            what keys are drawn from (1)

        What is measured:
          --socket PATH       the agent's socket; else SQUIRE_SOCKET, else the default places
          --wait 10s          wait so long for an agent that is not there yet
          --compare URL       the same load straight on a Valkey, in alternation with the agent
          --direct URL        a Valkey instead of the agent
          --source 50ms       how the cache spares a source that takes so long, with compute leases
          --in-order          a server at --socket that answers lines by lines in their order
          --rounds N          how often each is measured (1; with --compare 3)

        The rest:
          --json              the result as JSON
          --keep              leave the entries where they are when all is measured
          --prepared          use the entries that an earlier run left
          --help              this text

        Keys begin with bench:. With --rate a call's time counts from when it was due.

        """
}
