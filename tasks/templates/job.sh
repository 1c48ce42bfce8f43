#!/bin/sh
# Jobs that run detached from the connection that started them: one folder a job, all of them in one folder.
#   job.sh start FOLDER LEASE_SECONDS COMMAND...  its environment comes on standard input: lines export NAME='value'
#   job.sh list JOBS                              renews the lease; a line a job: NAME alive|ended|lost EXIT_CODE
#   job.sh interrupt JOBS [NAME]                  SIGINT to one job or to all, once
# FOLDER/pid holds the command's own pid and start time (field 22 of /proc/PID/stat), so that another process that was
# given the pid is never taken for it; FOLDER/exit its exit code, FOLDER/log its output. When JOBS/lease was not touched
# for LEASE_SECONDS the command is interrupted, a second and a thirtieth later at most: nobody watches it any more.
set -u

# No program is started for what the shell can do: on a host whose CPU is used up each one is waited for.
began() {
  # The start time of a process: 19 fields after its state, which follows the name in brackets.
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${stat##*) }
  shift 19
  began=$1
}

is_same() {
  began "$1" && [ "$began" = "$2" ]
}

alive() {
  [ -r "$1/pid" ] && read -r pid started < "$1/pid" && is_same "$pid" "$started"
}

interrupt() {
  # Once: a second SIGINT would cost k6's summary. Where no folder can be made for want of room it is sent all the same.
  alive "$1" && { mkdir "$1/interrupted" 2>/dev/null || [ ! -e "$1/interrupted" ]; } && kill -s INT "$pid"
}

watch_lease() {
  # What was read once is remembered: whoever removes the folder takes the lease away, and leaves no load behind. It is
  # read soon, as a folder that is gone by then tells nothing.
  watched=
  while [ ! -e "$1/exit" ]; do
    [ -n "$watched" ] || { [ -r "$1/pid" ] && read -r watched since < "$1/pid"; }
    if [ -n "$watched" ]; then is_same "$watched" "$since" || break; elif [ ! -d "$1" ]; then break; fi
    touched=$(stat -c %Y "$1/../lease" 2>/dev/null || echo 0)
    if [ $(($(date +%s) - touched)) -gt "$2" ]; then
      if [ -e "$1/pid" ]; then interrupt "$1"; elif [ -n "$watched" ]; then kill -s INT "$watched" && break; fi
    fi
    if [ -n "$watched" ]; then sleep $((1 + $2 / 30)); else sleep 0.2; fi
  done
}

show() {
  # Asked first: one that begins while it is looked at would be taken for one that is gone.
  [ -e "$1/pid" ] || return 0
  if [ ! -e "$1/exit" ] && alive "$1"; then
    echo "$1 alive -"
  else
    # Its exit code is written a moment after it ended.
    for _ in 1 2 3 4 5; do [ -e "$1/exit" ] || sleep 0.1; done
    if [ -e "$1/exit" ]; then read -r code < "$1/exit" && echo "$1 ended $code"; else echo "$1 lost -"; fi
  fi
}

act=$1
shift
case $act in
start)
  folder=$1
  mkdir -p "$folder" || exit 1
  rm -rf "$folder/exit" "$folder/pid" "$folder/interrupted"
  touch "$folder/../lease"
  (umask 077 && cat > "$folder/environment") || exit 1
  setsid -f sh "$0" lead "$@" < /dev/null > /dev/null 2>&1 || exit 1
  # Where neither can be written, the disk being full, nobody would ever see it begin: 500 looks are ten seconds.
  looks=0
  until [ -e "$folder/pid" ] || [ -e "$folder/exit" ]; do
    looks=$((looks + 1))
    if [ "$looks" -gt 500 ]; then
      echo "k6 was not seen to begin within 10 s; is there room on the load generator's disk?" >&2
      exit 1
    fi
    sleep 0.02
  done
  ;;
lead)
  folder=$1
  trap : INT TERM HUP
  watch_lease "$folder" "$2" &
  shift 2
  sh "$0" become "$folder" "$@" > "$folder/log" 2>&1
  echo $? > "$folder/exit.part" && mv "$folder/exit.part" "$folder/exit"
  ;;
become)
  folder=$1
  shift
  . "$folder/environment"
  rm -f "$folder/environment"
  began $$ && echo "$$ $began" > "$folder/pid.part" && mv "$folder/pid.part" "$folder/pid" || exit 125
  exec "$@"
  ;;
list)
  cd "$1" 2>/dev/null || exit 0
  touch lease
  for job in */; do show "${job%/}"; done
  ;;
interrupt)
  cd "$1" 2>/dev/null || exit 0
  name=${2:-}
  for job in ${name:-*}/; do interrupt "${job%/}"; done
  exit 0
  ;;
esac
