#!/bin/sh
# Runs a command detached from the connection that started it, in a session of its own.
#   detached.sh FOLDER LEASE_SECONDS COMMAND...
# FOLDER/pid and FOLDER/exit are written beside their place and renamed; FOLDER/log is its output. When FOLDER/../lease
# has not been touched for LEASE_SECONDS the command is interrupted: nobody watches it any more.
folder=$1 lease_seconds=$2
shift 2
mkdir -p "$folder"
rm -f "$folder/exit" "$folder/pid" "$folder/interrupted"
touch "$folder/../lease"
exec setsid -f sh -c '
  trap : INT TERM HUP
  folder=$0 lease_seconds=$1
  shift
  echo $$ > "$folder/pid.part" && mv "$folder/pid.part" "$folder/pid"
  leader=$$
  (
    trap "exit 0" INT TERM HUP
    while kill -0 "$leader" 2>/dev/null && [ ! -e "$folder/exit" ]; do
      touched=$(stat -c %Y "$folder/../lease" 2>/dev/null || echo 0)
      if [ $(( $(date +%s) - touched )) -gt "$lease_seconds" ]; then kill -s INT -- "-$leader"; fi
      sleep 1
    done
  ) >/dev/null 2>&1 &
  watchdog=$!
  "$@" > "$folder/log" 2>&1
  code=$?
  echo "$code" > "$folder/exit.part" && mv "$folder/exit.part" "$folder/exit"
  kill "$watchdog" 2>/dev/null
' "$folder" "$lease_seconds" "$@" < /dev/null > /dev/null 2>&1
