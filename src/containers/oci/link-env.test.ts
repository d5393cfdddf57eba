import { expect, test } from "bun:test";
import { linkEnv } from "./link-env.ts";

test("linkEnv() gives the variables of old links, ranges included", () => {
  const env = linkEnv({
    name: "web/my-db",
    alias: "my-db",
    ip: "172.17.0.3",
    env: ["PATH=/bin", "HOME=/", "PASSWORD=x=y", "BARE"],
    ports: [
      { port: 53, protocol: "udp" },
      { port: 81, protocol: "tcp" },
      { port: 80, protocol: "tcp" },
    ],
  });
  expect(env).toEqual([
    "MY_DB_PORT=tcp://172.17.0.3:80",
    "MY_DB_PORT_80_TCP=tcp://172.17.0.3:80",
    "MY_DB_PORT_80_TCP_ADDR=172.17.0.3",
    "MY_DB_PORT_80_TCP_PORT=80",
    "MY_DB_PORT_80_TCP_PROTO=tcp",
    "MY_DB_PORT_81_TCP=tcp://172.17.0.3:81",
    "MY_DB_PORT_81_TCP_ADDR=172.17.0.3",
    "MY_DB_PORT_81_TCP_PORT=81",
    "MY_DB_PORT_81_TCP_PROTO=tcp",
    "MY_DB_PORT_80_TCP_START=tcp://172.17.0.3:80",
    "MY_DB_PORT_80_TCP_PORT_START=80",
    "MY_DB_PORT_80_TCP_END=tcp://172.17.0.3:81",
    "MY_DB_PORT_80_TCP_PORT_END=81",
    "MY_DB_PORT_53_UDP=udp://172.17.0.3:53",
    "MY_DB_PORT_53_UDP_ADDR=172.17.0.3",
    "MY_DB_PORT_53_UDP_PORT=53",
    "MY_DB_PORT_53_UDP_PROTO=udp",
    "MY_DB_NAME=/web/my-db",
    "MY_DB_ENV_PASSWORD=x=y",
  ]);
});
