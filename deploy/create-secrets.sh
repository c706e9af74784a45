#!/bin/sh
# Draws all secrets that compose.yaml reads, into ./secrets. Refuses where that is there already.
#
# The folder is its owner's alone. The files in it can be read by all, for containers see the files
# without their folder, and each runs as a user of its own.
set -eu
drawn=$(${MODELWARD:-docker run --rm --network none "${IMAGE:-modelward:local}"} secrets create)
umask 077
mkdir secrets
cd secrets

password() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

postgres=$(password)
redis=$(password)
printf '%s\n' "$drawn" | sed -n 's/^MODELWARD_PEPPER=//p' > pepper
printf '%s\n' "$drawn" | sed -n 's/^MODELWARD_SIGNING_KEY=//p' > signing-key
printf '%s\n' "$postgres" > postgres-password
printf '%s\n' "$redis" > redis-password
printf 'postgres://modelward:%s@postgres:5432/modelward\n' "$postgres" > database-url
printf 'redis://:%s@redis:6379/0\n' "$redis" > redis-url
chmod 0444 ./*
