# For the scripts that run in the machine.
export DOCKER_HOST=unix:///run/d.sock
passed=0; failed=0

start_engine() {
  berth daemon -H unix:///run/d.sock --data-root /var/lib/berth --exec-root /run/berth --pidfile /run/d.pid >> /run/log 2>&1 &
  for i in $(seq 200); do curl -sf --unix-socket /run/d.sock http://d/_ping > /dev/null && break; sleep 0.2; done
  docker image inspect busybox > /dev/null 2>&1 || berth image make-busybox busybox:latest
}

kill_daemon() { kill -9 $(cat /run/d.pid); wait 2> /dev/null; }
kill_monitor() { kill -9 $(pgrep -f 'berth monitor' | head -1); }

# a program with a deadline, or a function of the script
call() { if [ "$(type -t "$1")" = function ]; then "$@"; else timeout 90 "$@"; fi; }

# is WHAT EXPECTED COMMAND...: the command's output, its lines joined by a space
is() {
  local what="$1" expected="$2" got; shift 2
  got=$(call "$@" 2>&1 | tr '\n' ' ' | sed 's/ $//')
  if [ "$got" = "$expected" ]; then passed=$((passed + 1)); echo "(pass) $what"
  else failed=$((failed + 1)); echo "(fail) $what: expected '$expected', got '$got'"; fi
}

# matches WHAT PATTERN COMMAND...
matches() {
  local what="$1" pattern="$2" got; shift 2
  got=$(call "$@" 2>&1 | tr '\n' ' ' | sed 's/ $//')
  if [[ "$got" =~ $pattern ]]; then passed=$((passed + 1)); echo "(pass) $what: $got"
  else failed=$((failed + 1)); echo "(fail) $what: '$got' does not match $pattern"; fi
}

# becomes WHAT EXPECTED COMMAND...: tries again for 20 seconds
becomes() {
  local what="$1" expected="$2"; shift 2
  for i in $(seq 100); do [ "$("$@" 2>&1)" = "$expected" ] && break; sleep 0.2; done
  is "$what" "$expected" "$@"
}
