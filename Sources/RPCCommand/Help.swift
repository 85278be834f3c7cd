/// What `rpc --help` prints.
enum Help {
    static let text = """
        rpc calls the Squire agent of this host.

        Usage:
          rpc [options] METHOD [name=value …]
          rpc list [PREFIX]       the methods, a line each
          rpc METHOD --help       what a method does, takes and returns
          rpc describe METHOD     the same as JSON (OpenRPC)
          rpc template METHOD     its params as JSON, to be filled in
          rpc bench               measures the agent under a load; rpc bench --help
          rpc -                   requests from standard input, a line each; replies to standard output
          rpc cache.dump [FILE]   writes cache entries, a line each; --help says more
          rpc cache.load FILE     writes the entries of such a file into the cache

        Examples:
          rpc agent.ping
          rpc cache.set key=user:42 value='{"name":"Ada"}' ttl_ms=5m
          rpc cache.get key=user:42 --field value.name --raw
          rpc channel.subscribe channel=orders --count 1 --for 5s

        Parameters:
          name=value      text, turned into what the parameter takes: a string as it is, a number, true, false,
                          null, JSON; 60s, 5m or 250ms where the name ends in _ms; 64KiB where it ends in _bytes
          name:=JSON      JSON as it is
          name=@FILE      the content of a file, name=- of standard input; name:=@FILE and name:=- as JSON

        Options:
          --socket PATH   the agent's socket; else SQUIRE_SOCKET, else the default places
          --timeout 5s    how long the call may take
          --wait 10s      wait so long for an agent that is not there yet
          --watch 1s      repeat the call; counters of cache.stats and response.stats with their rates
          --count N       end after so many messages of a subscription, which are printed a line each
          --for 5s        end a subscription after so long
          --params JSON   params as a JSON object or array; @FILE and - as above
          --field PATH    print one member of the answer, such as value.items.0
          --raw           print strings without quotes
          --help          this text
          --version       the version

        Exit status:
          0 done   1 error reply   2 no agent can be reached   3 usage   4 the answer is no
          5 forbidden   6 Valkey unavailable   7 deadline exceeded

        """
}
