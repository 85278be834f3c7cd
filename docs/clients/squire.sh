#!/bin/sh
# A client of Squire for every POSIX shell, with nothing but rpc.
set -eu

# Calls a method; waits for an agent that is being restarted. Exit status 4 means that the answer is no, such as a miss.
squire() { rpc --timeout 2s --wait 5s "$@"; }

# Prints what a subscription brings, a line each, for ever. Exit status 2 means that the agent went away (messages may
# be missing then), 6 that its Valkey did, 1 that the agent ended the subscription or would not have it.
messages() {
    while :; do
        status=0
        rpc --wait 60s "$@" || status=$?
        case $status in
        2 | 6) echo "some may be missing" >&2 ;;
        *) return "$status" ;;
        esac
        sleep 0.1
    done
}

squire cache.set key=client:shell value='{"name":"Ada"}' ttl_ms=60s >/dev/null
squire cache.get key=client:shell --field value.name --raw

messages channel.subscribe channel=news --field message --raw | while read -r message; do
    printf '%s\n' "$message"
    if [ "$message" = end ]; then break; fi
done

# The agent may have been restarted meanwhile.
squire cache.get key=client:shell --field value.name --raw
