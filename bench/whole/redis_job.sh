#!/bin/sh
# SPDX-License-Identifier: MIT
# A redis server under its own benchmark's load of random keys: redis_job.sh KEYS FOLDER.
# The values that remain are all compared at the end.
set -eu
keys=$1
folder=$2
socket=$folder/redis-socket
rm -f "$socket"
redis-server --port 0 --unixsocket "$socket" --dir "$folder" --save "" --loglevel warning >/dev/null &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
until [ "$(redis-cli -s "$socket" ping 2>/dev/null || true)" = PONG ]; do
    kill -0 "$server"
    sleep 0.02
done
redis-benchmark -s "$socket" -q -t set -r "$keys" -n "$((keys * 2))" -d 700 -P 16 >/dev/null
redis-benchmark -s "$socket" -q -t get -r "$keys" -n "$keys" -P 16 >/dev/null
redis-cli -s "$socket" eval '
    local cursor, first, others = "0", nil, 0
    repeat
        local page = redis.call("scan", cursor, "count", 1000)
        cursor = page[1]
        for _, key in ipairs(page[2]) do
            local value = redis.call("get", key)
            first = first or value
            if value ~= first or #value ~= 700 then others = others + 1 end
        end
    until cursor == "0"
    return others .. " values are wrong"' 0
redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1 || true
wait "$server"
trap - EXIT
