#!/bin/sh
# Our registry beside Debian's docker-registry: pushes and pulls of a 172 MB layer, manifests a second, memory with 2 GB.
# usage: sh scripts/bench/registry.sh   (needs docker-registry, skopeo, umoci, curl, wrk; give a quiet machine)
set -eu
cd "$(dirname "$0")/../.."
place=$(mktemp -d /tmp/berth-bench-registry-XXXXXX)
program=${BERTH_BINARY:-node_modules/.bin/bun src/main.ts}
ours=17840 theirs=17841
cat >"$place/config.yml" <<CONFIG
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $place/theirs}, cache: {blobdescriptor: inmemory}}
http: {addr: "127.0.0.1:$theirs"}
CONFIG
docker-registry serve "$place/config.yml" >/dev/null 2>&1 & their_pid=$!
$program registry serve --listen 127.0.0.1:$ours --root "$place/ours" --anonymous pull,push,delete 2>/dev/null & our_pid=$!
trap 'kill $our_pid $their_pid; rm -rf "$place"' EXIT
for port in $ours $theirs; do until curl -sf -o /dev/null http://127.0.0.1:$port/v2/; do sleep 0.1; done; done

location() { tr -d '\r' | sed -n 's/^[Ll]ocation: *//p' | sed "s|^/|http://127.0.0.1:$1/|"; }
push() { # port file digest
  begun=$(curl -s -i -X POST "http://127.0.0.1:$1/v2/bench/layer/blobs/uploads/" | location "$1")
  sent=$(curl -s -i -X PATCH -H 'Content-Type: application/octet-stream' -T "$2" "$begun" | location "$1")
  case $sent in *\?*) join='&' ;; *) join='?' ;; esac
  curl -sf -o /dev/null -X PUT "$sent${join}digest=$3"
}
timed() { from=$(date +%s%N); "$@"; echo "$((($(date +%s%N) - from) / 1000000)) ms"; }

for round in 1 2 3 4 5; do
  head -c 172000000 /dev/urandom >"$place/layer"
  digest=sha256:$(sha256sum "$place/layer" | cut -d' ' -f1)
  for port in $ours $theirs; do echo "push $port $(timed push $port "$place/layer" "$digest")"; done
  for port in $theirs $ours; do
    echo "pull $port $(timed curl -sf -o /dev/null "http://127.0.0.1:$port/v2/bench/layer/blobs/$digest")"
  done
done
umoci init --layout "$place/layout" && umoci new --image "$place/layout:one"
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$place/policy.json"
for port in $ours $theirs; do
  skopeo --policy "$place/policy.json" copy -q --format v2s2 --dest-tls-verify=false "oci:$place/layout:one" "docker://127.0.0.1:$port/bench/image:one"
done
for round in 1 2 3; do
  for port in $ours $theirs; do
    echo "manifests $port $(wrk -t1 -c16 -d3 -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://127.0.0.1:$port/v2/bench/image/manifests/one" | grep -E 'Requests/sec|Non-2xx')"
  done
done
head -c 2000000000 /dev/urandom >"$place/large"
digest=sha256:$(sha256sum "$place/large" | cut -d' ' -f1)
push $ours "$place/large" "$digest"
echo "after a push of 2 GB: $(grep -E 'VmHWM|VmRSS' /proc/$our_pid/status | tr -s '\n\t ' ' ')"
pids=
for client in 1 2 3 4 5; do curl -sf -o /dev/null "http://127.0.0.1:$ours/v2/bench/layer/blobs/$digest" & pids="$pids $!"; done
for pid in $pids; do wait "$pid"; done
echo "after five pulls of it at once: $(grep -E 'VmHWM|VmRSS' /proc/$our_pid/status | tr -s '\n\t ' ' ')"
