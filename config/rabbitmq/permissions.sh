#!/bin/sh
# Gives a RabbitMQ user what dffmpeg's user of the same name needs, and no more.
#   permissions.sh coordinator|worker|client NAME [VHOST]
# The user is there already (rabbitmqctl add_user NAME). Run again for an upgrade; it changes nothing else.
set -eu
role=$1 name=$2 vhost=${3:-/}
ctl=${RABBITMQCTL:-rabbitmqctl}

# A dot of the name is no other character.
plain=$(printf '%s' "$name" | sed 's/\./\\./g')

case $role in
coordinator)
  "$ctl" set_permissions -p "$vhost" "$name" '^dffmpeg\..*' '^dffmpeg\..*' '^dffmpeg\..*'
  ;;
worker)
  queue="^dffmpeg\\.worker\\.$plain\$"
  "$ctl" set_permissions -p "$vhost" "$name" "$queue" "$queue" "^dffmpeg\\.workers\$|$queue"
  # Without this it could have what is for other workers sent to its own queue.
  "$ctl" set_topic_permissions -p "$vhost" "$name" dffmpeg.workers '^$' "^worker\\.$plain\$"
  ;;
client)
  queues="^dffmpeg\\.job\\.$plain\\..*"
  "$ctl" set_permissions -p "$vhost" "$name" "$queues" "$queues" "^dffmpeg\\.jobs\$|$queues"
  "$ctl" set_topic_permissions -p "$vhost" "$name" dffmpeg.jobs '^$' "^job\\.$plain\\.[^.]*\$"
  ;;
*)
  echo "$0: expected coordinator, worker or client, got $role" >&2
  exit 2
  ;;
esac
