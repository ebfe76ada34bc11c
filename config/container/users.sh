#!/bin/sh
# Makes the users of a small cluster, once, and a configuration for each: WORKERS workers, a client, an administrator.
#   users.sh COORDINATOR_TOML DIRECTORY URL WORKERS [rabbitmq|mqtt HOST...]
# With a broker, workers prefer it; a worker's password there is in /etc/dffmpeg/secrets/broker-NAME.
# Users that are there already keep their files; delete one (dffmpeg-admin user delete) and its file to have it anew.
set -eu
configuration=$1 directory=$2 url=$3 workers=$4
shift 4
broker=${1:-} hosts=''
if [ -n "$broker" ]; then
  shift
  for host; do hosts="$hosts${hosts:+, }\"$host\""; done
fi

dffmpeg-admin --config "$configuration" db migrate

add() {
  name=$1 role=$2
  shift 2
  dffmpeg-admin --config "$configuration" user add "$name" --role "$role" \
    --write-config "$directory/$name.toml" --coordinator-url "$url" "$@"
}

prefer_broker() {
  file=$directory/$1.toml
  sed -i "s/^#transports = .*/transports = [\"$broker\", \"websocket\", \"http_polling\"]/" "$file"
  cat >>"$file" <<END

[transport_settings.$broker]
hosts = [$hosts]
username = "$1"
password_file = "/etc/dffmpeg/secrets/broker-$1"
END
}

number=1
while [ "$number" -le "$workers" ]; do
  name=worker$number
  if [ ! -e "$directory/$name.toml" ]; then
    add "$name" worker --path Media=/media
    [ -z "$broker" ] || prefer_broker "$name"
  fi
  number=$((number + 1))
done
[ -e "$directory/client.toml" ] || add client client --path Media=/media
[ -e "$directory/admin.toml" ] || add admin admin
