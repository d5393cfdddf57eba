# A host with cgroup v2 alone: limits, statistics, lack of memory, freezing, crashes.
state() { docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"; }

is "info says version 2, with crun" "2 cgroupfs crun" docker info -f '{{.CgroupVersion}} {{.CgroupDriver}} {{.DefaultRuntime}}'
is "a container runs" "hello" docker run --rm busybox echo hello
is "limits are in the cgroup" "67108864 50000 100000 50 20 33554432" docker run --rm -m 64m --cpus 0.5 --pids-limit 50 --cpu-shares 512 --memory-reservation 32m busybox sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max pids.max cpu.weight memory.low'
is "runc has them too" "67108864" docker run --rm --runtime runc -m 64m busybox cat /sys/fs/cgroup/memory.max
is "a container sees its own cgroup as the root" "0::/" docker run --rm busybox cat /proc/self/cgroup
matches "device rules are enforced" "not permitted" docker run --rm --device-cgroup-rule 'c 1:3 rwm' busybox sh -c 'mknod /tmp/mem c 1 1 && cat /tmp/mem'

docker events -f event=oom --format '{{.Actor.Attributes.name}}' > /run/ooms &
events=$!
docker run --name oom -m 8m --memory-swap 8m busybox dd if=/dev/zero of=/dev/null bs=64M count=1
is "an OOM kill is told" "true 137" docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom
docker run -d --name eats -m 8m --memory-swap 8m busybox sh -c '(head -c 90000000 /dev/zero | tail) ; sleep 600'
becomes "an OOM kill is told while the container lives" "oom eats" sh -c 'sort -ru /run/ooms | tr "\n" " " | sed "s/ $//"'
is "and it does live" "running 0" state eats
kill $events

docker run -d --name web -p 8080:80 -m 64m busybox sh -c 'mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w'
becomes "a published port answers" "page" curl -s -m 5 http://127.0.0.1:8080/
matches "stats" '^web [0-9.]+% [0-9.]+[KM]iB / 64MiB [1-9] ' docker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}} {{.NetIO}}' web
docker update -m 128m --memory-swap 256m --pids-limit 70 --cpus 1 web
is "update reaches the cgroup" "134217728 134217728 70 100000 100000" docker exec web sh -c 'cd /sys/fs/cgroup; cat memory.max memory.swap.max pids.max cpu.max'
docker pause web
is "pause" "paused 0" state web
is "the freezer holds it" "1" sh -c 'cat /sys/fs/cgroup/berth/$(docker inspect -f "{{.Id}}" web)/cgroup.freeze'
docker unpause web
is "unpause" "page" curl -s -m 5 http://127.0.0.1:8080/

docker run -dit --name tty busybox sh
becomes "a keeper holds the terminal" "1" pgrep -fc 'berth keepe[r]'
sleep 3 # its copy comes beside the start
kill_daemon; kill_monitor; sleep 1; start_engine
is "containers outlive both" "tty web eats" docker ps --format '{{.Names}}'
is "published ports too" "page" curl -s -m 5 http://127.0.0.1:8080/
matches "exec after it" "^/dev/pts/" docker exec -t tty tty
docker exec web sh -c 'exit 7'; is "exit codes of execs" "7" echo $?

# Linux 6.1 tells nobody the code of another's child: the daemon is the next subreaper
docker run -d --name code busybox sh -c 'sleep 3; exit 33'
kill_monitor
becomes "the code of a container whose monitor died" "exited 33" state code
# and a daemon that was started meanwhile is not even that
docker run -d --name late busybox sh -c 'sleep 8; exit 34'
kill_daemon; start_engine; kill_monitor
becomes "the code of a container whose monitor died under a later daemon" "exited 34" state late

docker rm -f web tty oom eats code late > /dev/null
is "no cgroup is left" "0" sh -c "ls /sys/fs/cgroup/berth | grep -cE '^[0-9a-f]{64}$'"
is "nor a container" "" docker ps -aq
