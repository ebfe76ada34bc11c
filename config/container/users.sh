#!/bin/sh
# Makes the users of a small cluster, once, and a configuration for each: WORKERS workers, a client, an administrator.
#   users.sh COORDINATOR_TOML DIRECTORY URL WORKERS
# Users that are there already keep their keys; delete one (dffmpeg-admin user delete) to have it made anew.
set -eu
configuration=$1 directory=$2 url=$3 workers=$4

dffmpeg-admin --config "$configuration" db migrate

add() {
  name=$1 role=$2
  shift 2
  if [ -e "$directory/$name.toml" ]; then
    return
  fi
  dffmpeg-admin --config "$configuration" user add "$name" --role "$role" \
    --write-config "$directory/$name.toml" --coordinator-url "$url" "$@"
}

number=1
while [ "$number" -le "$workers" ]; do
  add "worker$number" worker --path Media=/media
  number=$((number + 1))
done
add client client --path Media=/media
add admin admin
