import { expect, test } from "bun:test";
import type { Mount } from "../../../spec/engine/types.gen.ts";
import { normalized, testContainer, testImage } from "../request.fixture.ts";

const binds = (...Binds: string[]) => normalized({ HostConfig: { Binds } }).plan.mounts;
const mount = (...Mounts: Mount[]) => normalized({ HostConfig: { Mounts } }).plan.mounts;

test("Binds: a path is a bind, a name a volume, a target alone an anonymous volume", () => {
  expect(binds("/host/./dir/:/a//b/:ro,Z,rshared")).toEqual([
    {
      type: "bind",
      target: "/a/b",
      source: "/host/dir",
      readOnly: true,
      mode: "ro,Z,rshared",
      anonymous: false,
      createSource: true,
      recursive: true,
      propagation: "rshared",
      readOnlyRecursive: true,
    },
  ]);
  expect(binds("data:/d:nocopy")).toEqual([
    {
      type: "volume",
      target: "/d",
      volume: "data",
      readOnly: false,
      mode: "nocopy",
      anonymous: false,
      driver: "",
      labels: {},
      options: {},
      copy: false,
      subpath: "",
    },
  ]);
  expect(binds("data:/d")).toMatchObject([{ mode: "z" }]);
  expect(binds("/nope")).toMatchObject([{ type: "volume", target: "/nope", anonymous: true, volume: "" }]);
});

test.each([
  ["", "invalid volume specification: ''"],
  [":/x", "invalid volume specification: ':/x'"],
  ["/a:/b:/c:/d", "invalid volume specification: '/a:/b:/c:/d'"],
  ["/a:ro", "invalid volume specification: '/a:ro'"],
  ["/a:/b:maybe", "invalid mode: maybe"],
  ["/a:/b:ro,rw", "invalid mode: ro,rw"],
  [
    "/a:rel",
    `invalid volume specification: '/a:rel': invalid mount config for type "bind": invalid mount path: 'rel' mount path must be absolute`,
  ],
  ["/a:/", "invalid specification: destination can't be '/'"],
  ["/a:/b/..", "invalid specification: destination can't be '/'"],
  ["vol:/b:rshared", "field BindOptions must not be specified"],
])("Binds: %p is refused", (row, text) => {
  expect(() => binds(row)).toThrow(text);
});

test("Mounts: every type with its options", () => {
  expect(
    mount({
      Type: "bind",
      Source: "/s",
      Target: "/t",
      ReadOnly: true,
      BindOptions: { Propagation: "slave", NonRecursive: true, ReadOnlyNonRecursive: true },
    }),
  ).toMatchObject([
    {
      type: "bind",
      createSource: false,
      recursive: false,
      propagation: "slave",
      readOnlyRecursive: false,
      readOnly: true,
    },
  ]);
  expect(
    mount({
      Type: "volume",
      Source: "v",
      Target: "/t",
      VolumeOptions: {
        NoCopy: true,
        Subpath: "a/b",
        Labels: { x: "1" },
        DriverConfig: { Name: "nfs", Options: { o: "ro" } },
      },
    }),
  ).toMatchObject([
    {
      type: "volume",
      volume: "v",
      driver: "nfs",
      options: { o: "ro" },
      labels: { x: "1" },
      copy: false,
      subpath: "a/b",
      anonymous: false,
    },
  ]);
  expect(
    mount({ Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1024, Mode: 0o1770, Options: [["exec"]] } }),
  ).toMatchObject([{ type: "tmpfs", sizeBytes: 1024, tmpfsMode: 0o1770, options: ["exec"], listed: true }]);
  expect(mount({ Type: "image", Source: "busybox", Target: "/t", ImageOptions: { Subpath: "bin" } })).toMatchObject([
    { type: "image", source: "busybox", subpath: "bin", readOnly: true },
  ]);
  expect(mount({ Type: "volume", Target: "/t" })).toMatchObject([{ anonymous: true, volume: "" }]);
});

const wrong: readonly (readonly [Mount, string])[] = [
  [
    { Type: "volume", Source: "v", Target: "/t", BindOptions: {} },
    'BindOptions must not be specified on mount type "volume"',
  ],
  [
    { Type: "bind", Source: "/s", Target: "/t", VolumeOptions: {} },
    'VolumeOptions must not be specified on mount type "bind"',
  ],
  [
    { Type: "bind", Source: "/s", Target: "/t", TmpfsOptions: {} },
    'TmpfsOptions must not be specified on mount type "bind"',
  ],
  [
    { Type: "tmpfs", Target: "/t", ImageOptions: {} },
    'invalid mount config for type "tmpfs": field ImageOptions must not be specified',
  ],
  [{ Type: "bind", Source: "/s" }, 'invalid mount config for type "bind": field Target must not be empty'],
  [{ Type: "bind", Target: "/t" }, 'invalid mount config for type "bind": field Source must not be empty'],
  [{ Type: "bind", Source: "rel", Target: "/t" }, "invalid mount path: 'rel' mount path must be absolute"],
  [{ Type: "tmpfs", Source: "x", Target: "/t" }, "field Source must not be specified"],
  [{ Type: "tmpfs", Target: "/t", TmpfsOptions: { Options: [["suid"]] } }, "invalid option: suid"],
  [{ Type: "tmpfs", Target: "/t", TmpfsOptions: { Options: [[]] } }, "invalid option array length"],
  [
    { Type: "volume", Source: "v", Target: "/t", VolumeOptions: { Subpath: "../up" } },
    "subpath must be a relative path within the volume",
  ],
  [
    { Type: "volume", Source: "v", Target: "/t", VolumeOptions: { Subpath: "/abs" } },
    "subpath must be a relative path within the volume",
  ],
  [
    { Type: "volume", Target: "/t", VolumeOptions: { Subpath: "a" } },
    "must not set Subpath when using anonymous volumes",
  ],
  [{ Type: "volume", Target: "/t", ReadOnly: true }, "must not set ReadOnly mode when using anonymous volumes"],
  [{ Type: "npipe", Source: "v", Target: "/t" }, 'invalid mount config for type "npipe": mount type unknown'],
  [
    {
      Type: "bind",
      Source: "/s",
      Target: "/t",
      BindOptions: { ReadOnlyNonRecursive: true, ReadOnlyForceRecursive: true },
    },
    "mount options conflict",
  ],
  [{ Type: "bind", Source: "/s", Target: "/t\0x" }, "path contains a NUL byte"],
];
test.each(wrong)("Mounts: %j is refused", (wire, text) => {
  expect(() => mount(wire)).toThrow(text);
});

test("one target takes one mount", () => {
  expect(() => binds("/a:/x", "/b:/x/")).toThrow("Duplicate mount point: /x");
  expect(() => normalized({ HostConfig: { Binds: ["/a:/x"], Mounts: [{ Type: "tmpfs", Target: "/x" }] } })).toThrow(
    "Duplicate mount point: /x",
  );
  expect(() => normalized({ HostConfig: { Binds: ["/a:/x"], Tmpfs: { "/x": "" } } })).toThrow(
    "Duplicate mount point: /x",
  );
  expect(() => normalized({ HostConfig: { Tmpfs: { "/": "" } } })).toThrow("destination can't be '/'");
});

test("the image's volumes fill only free targets, and stay below the root whatever the image says", () => {
  const image = testImage({ Cmd: ["sh"], Volumes: { "/data": {}, "/free": {}, "../../../etc/x": {} } });
  const { mounts } = normalized({ HostConfig: { Tmpfs: { "/data": "size=1m" } } }, { image }).plan;
  expect(mounts.map(({ type, target }) => [type, target])).toEqual([
    ["tmpfs", "/data"],
    ["volume", "/free"],
    ["volume", "/etc/x"],
  ]);
  expect(() => normalized({}, { image: testImage({ Cmd: ["sh"], Volumes: { "/..": {} } }) })).toThrow(
    "destination can't be '/'",
  );
});

test("parents come before what lies in them", () => {
  expect(binds("/1:/a/b/c", "/2:/a", "/3:/a/b").map(({ target }) => target)).toEqual(["/a", "/a/b", "/a/b/c"]);
});

test("VolumesFrom takes the other's mounts, named and never copied again; own mounts win", () => {
  const others = [
    testContainer(
      { HostConfig: { Binds: ["/h:/bind", "vol:/vol"] }, Volumes: { "/anon": {} } },
      { id: "c".repeat(64), name: "other" },
    ),
  ];
  const { mounts } = normalized({ HostConfig: { VolumesFrom: ["other:ro"], Binds: ["/mine:/bind"] } }, { others }).plan;
  expect(mounts).toMatchObject([
    { target: "/anon", type: "volume", volume: "random", readOnly: true, copy: false, anonymous: false },
    { target: "/bind", source: "/mine", readOnly: false },
    { target: "/vol", volume: "vol", readOnly: true },
  ]);
  expect(() => normalized({ HostConfig: { VolumesFrom: ["other:nocopy"] } }, { others })).toThrow(
    "invalid mode: nocopy",
  );
  expect(() => normalized({ HostConfig: { VolumesFrom: [""] } }, { others })).toThrow(
    "volumes-from specification cannot be an empty string",
  );
});

test("a bind that holds the data root is a slave of the host", () => {
  expect(binds("/:/host", "/var/lib:/lib2", "/var/lib/berth/x:/y")).toMatchObject([
    { propagation: "rslave" },
    { propagation: "rslave" },
    { propagation: "rprivate" },
  ]);
  expect(() => binds("/:/host:private")).toThrow(
    'must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root',
  );
});
