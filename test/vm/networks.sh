# Kinds of links that few kernels have: run with --modules macvlan,ipvlan,8021q
ip link add wire0 type veth peer name far0
ip netns add far
ip link set far0 netns far
ip link set wire0 up
ip -n far addr add 10.50.0.1/24 dev far0
ip -n far link set far0 up
ip -n far link set lo up
ip -n far link add link far0 name far0.7 type vlan id 7
ip -n far addr add 10.50.7.1/24 dev far0.7
ip -n far link set far0.7 up

docker network create -d ipvlan -o parent=wire0 --subnet 10.50.0.0/24 --gateway 10.50.0.1 l2 > /dev/null
docker run -d --name one --network l2 busybox sleep 600 > /dev/null
docker run -d --name two --network l2 busybox sleep 600 > /dev/null
matches "ipvlan l2: another machine on the wire answers" "1 packets received" docker exec one ping -c1 -W5 10.50.0.1
matches "ipvlan l2: names" "1 packets received" docker exec one ping -c1 -W5 two
is "ipvlan l2: both have the parent's MAC" "$(cat /sys/class/net/wire0/address)" docker exec two cat /sys/class/net/eth0/address
docker rm -f one two > /dev/null
is "its network goes, the parent stays" "l2 wire0" sh -c 'docker network rm l2; ls /sys/class/net | grep wire0'

docker network create -d ipvlan -o parent=wire0 -o ipvlan_mode=l3 --subnet 10.51.0.0/24 --subnet 10.52.0.0/24 l3 > /dev/null
docker run -d --name one --network l3 busybox sleep 600 > /dev/null
ip addr add 10.50.0.2/24 dev wire0 # l3 goes by the host's own routes
ip -n far route add 10.51.0.0/24 via 10.50.0.2
matches "ipvlan l3: the default route is by the interface" "^default dev eth0" docker exec one ip route
matches "ipvlan l3: another machine answers by its route" "1 packets received" docker exec one ping -c1 -W5 10.50.0.1
docker rm -f one > /dev/null; docker network rm l3 > /dev/null

docker network create -d macvlan -o parent=wire0.7 --subnet 10.50.7.0/24 --gateway 10.50.7.1 vlan > /dev/null
matches "macvlan on a VLAN: it is made" "vlan protocol 802.1Q id 7" ip -d link show wire0.7
docker run -d --name one --network vlan busybox sleep 600 > /dev/null
matches "macvlan on a VLAN: the other end of the VLAN answers" "1 packets received" docker exec one ping -c1 -W5 10.50.7.1
docker network create -d ipvlan -o parent=wire0.7 --subnet 10.53.0.0/24 second > /dev/null 2>&1
docker rm -f one > /dev/null; docker network rm vlan second > /dev/null 2>&1
is "the VLAN goes with its last network" "" sh -c 'ls /sys/class/net | grep wire0.7'

docker network create plain > /dev/null
docker run -d --name web --network plain busybox sleep 600 > /dev/null
matches "a bridge of one's own, with names, on this kernel" "1 packets received" docker run --rm --network plain busybox ping -c1 -W5 web
docker rm -f web > /dev/null; docker network rm plain > /dev/null
is "no network is left" "" docker network ls -q -f type=custom
