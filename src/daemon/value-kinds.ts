import { isIP } from "node:net";

/**
 * A kind of setting: how it is written as a flag and as JSON. What it throws says what is wrong with the value;
 * the reader adds where the value stood.
 */
export interface Kind<T> {
  /** Word for the value in help; empty for a switch. */
  readonly word: string;
  readonly repeatable: boolean;
  readonly fromFlag: (texts: readonly string[]) => T;
  readonly fromJson: (value: unknown) => T;
  /** As dockerd prints values in messages. */
  readonly show: (value: T) => string;
}

export interface RuntimeSetting {
  readonly path: string;
  readonly args: readonly string[];
}
export interface AddressPool {
  readonly base: string;
  readonly size: number;
}
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}
type Check = (text: string) => void;

const last = (texts: readonly string[]): string => texts.at(-1) ?? "";
const map = (value: unknown): Record<string, unknown> => {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("must be an object");
  return value as Record<string, unknown>;
};
const string = (value: unknown): string => {
  if (typeof value !== "string") throw new Error("must be a string");
  return value;
};
const scalar = <T>(
  word: string,
  read: (text: string) => T,
  fromJson: (value: unknown) => T,
  show: (value: T) => string = String,
): Kind<T> => ({
  word,
  repeatable: false,
  fromFlag: (texts) => read(last(texts)),
  fromJson,
  show,
});

/** A text, judged by `check`. */
export function text(check: Check = () => {}, word = "string"): Kind<string> {
  const read = (value: string): string => {
    check(value);
    return value;
  };
  return scalar(word, read, (value) => read(string(value)));
}

export const oneOf = (...choices: readonly string[]): Kind<string> =>
  text((value) => {
    if (!choices.includes(value)) throw new Error(`must be one of ${choices.join(", ")}`);
  });

export const toggle: Kind<boolean> = scalar(
  "",
  (value) => {
    // strconv.ParseBool's words
    if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
    if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
    throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
  },
  (value) => {
    if (typeof value !== "boolean") throw new Error("must be true or false");
    return value;
  },
);

/** A whole number from `least` on. The unit is the row's to say. */
export function whole(least = 0, most = Number.MAX_SAFE_INTEGER): Kind<number> {
  const judge = (value: number): number => {
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      throw new Error(
        most === Number.MAX_SAFE_INTEGER
          ? `must be a whole number of at least ${least}`
          : `must be a whole number from ${least} to ${most}`,
      );
    }
    return value;
  };
  return scalar(
    "int",
    (value) => judge(/^-?\d+$/.test(value) ? Number(value) : Number.NaN),
    (value) => judge(typeof value === "number" ? value : Number.NaN),
  );
}

// docker/go-units, RAMInBytes: binary units whatever their spelling
const sizePattern = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i;
function readBytes(value: string): number {
  const [, digits, unit = ""] = sizePattern.exec(value.trim()) ?? [];
  if (digits === undefined) throw new Error(`invalid size: '${value}'`);
  return Math.floor(Number(digits) * 1024 ** ["", "k", "m", "g", "t", "p"].indexOf(unit.toLowerCase()));
}
export const bytes: Kind<number> = scalar("bytes", readBytes, (value) =>
  typeof value === "number" && value >= 0 ? value : readBytes(string(value)),
);

/** Many texts. A flag is given once for each. */
export function texts(check: Check = () => {}): Kind<readonly string[]> {
  const judge = (values: readonly string[]): readonly string[] => {
    for (const value of values) check(value);
    return values;
  };
  return {
    word: "list",
    repeatable: true,
    fromFlag: judge,
    fromJson: (value) => {
      if (!Array.isArray(value)) throw new Error("must be a list of strings");
      return judge(value.map(string));
    },
    show: (values) => `[${values.join(" ")}]`,
  };
}

const showMap = (value: Readonly<Record<string, unknown>>): string =>
  `map[${Object.entries(value)
    .map(([name, item]) => `${name}:${String(item)}`)
    .join(" ")}]`;

function pair(value: string): [string, string] {
  const at = value.indexOf("=");
  if (at <= 0) throw new Error(`invalid value ${JSON.stringify(value)}: want name=value`);
  return [value.slice(0, at), value.slice(at + 1)];
}
export const pairs: Kind<Readonly<Record<string, string>>> = {
  word: "map",
  repeatable: true,
  fromFlag: (values) => Object.fromEntries(values.map(pair)),
  fromJson: (value) => Object.fromEntries(Object.entries(map(value)).map(([name, item]) => [name, string(item)])),
  show: showMap,
};

export const switches: Kind<Readonly<Record<string, boolean>>> = {
  word: "map",
  repeatable: true,
  fromFlag: (values) =>
    Object.fromEntries(
      values
        .map((value) => (value.includes("=") ? pair(value) : ([value, "true"] as const)))
        .map(([name, on]) => [name, toggle.fromFlag([on])]),
    ),
  fromJson: (value) =>
    Object.fromEntries(Object.entries(map(value)).map(([name, item]) => [name, toggle.fromJson(item)])),
  show: showMap,
};

/** `driver=key=value`; in the file an object of objects, as dockerd has it. */
export const driverOptions: Kind<readonly string[]> = {
  word: "driver=key=value",
  repeatable: true,
  fromFlag: (values) => {
    for (const value of values)
      if (!/^[^=]+=[^=]+=/.test(value)) throw new Error(`${value}: not like driver=key=value`);
    return values;
  },
  fromJson: (value) =>
    Object.entries(map(value)).flatMap(([driver, options]) =>
      Object.entries(map(options)).map(([key, item]) => `${driver}=${key}=${string(item)}`),
    ),
  show: (value) => value.join(", "),
};

const reservedRuntimes = ["crun", "runc"];
export const runtimes: Kind<Readonly<Record<string, RuntimeSetting>>> = {
  word: "runtime",
  repeatable: true,
  fromFlag: (values) =>
    judgeRuntimes(
      Object.fromEntries(values.map((value) => pair(value)).map(([name, path]) => [name, { path, args: [] }])),
    ),
  fromJson: (value) =>
    judgeRuntimes(
      Object.fromEntries(
        Object.entries(map(value)).map(([name, item]) => {
          const { path, runtimeArgs = [], ...others } = map(item);
          const [unknown] = Object.keys(others);
          if (unknown !== undefined) throw new Error(`runtime ${name}: unknown key ${unknown}`);
          return [name, { path: string(path), args: texts().fromJson(runtimeArgs) }];
        }),
      ),
    ),
  show: (value) => showMap(Object.fromEntries(Object.entries(value).map(([name, { path }]) => [name, path]))),
};
function judgeRuntimes(value: Record<string, RuntimeSetting>): Record<string, RuntimeSetting> {
  for (const [name, { path }] of Object.entries(value)) {
    if (reservedRuntimes.includes(name)) throw new Error(`runtime name '${name}' is reserved`);
    if (path === "") throw new Error(`runtime ${name} has no path`);
  }
  return value;
}

export const addressPools: Kind<readonly AddressPool[]> = {
  word: "pool-options",
  repeatable: true,
  fromFlag: (values) => values.map((value) => readPool(Object.fromEntries(value.split(",").map(pair)))),
  fromJson: (value) => {
    if (!Array.isArray(value)) throw new Error("must be a list of objects");
    return value.map((item) => readPool(map(item)));
  },
  show: (pools) => `[${pools.map(({ base, size }) => `base=${base},size=${size}`).join(" ")}]`,
};
function readPool({ base, size, ...others }: Record<string, unknown>): AddressPool {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new Error(`unexpected key '${unknown}' in a default address pool`);
  cidr(string(base));
  const bits = Number(string(base).split("/")[1]);
  const width = string(base).includes(":") ? 128 : 32;
  const wanted = Number(size);
  if (!Number.isInteger(wanted) || wanted < bits || wanted > width)
    throw new Error(`invalid pool size ${String(size)}: must be from ${bits} to ${width} for base ${string(base)}`);
  return { base: string(base), size: wanted };
}

export const ulimits: Kind<readonly Ulimit[]> = {
  word: "ulimit",
  repeatable: true,
  fromFlag: (values) =>
    values.map((value) => {
      const [name, limits] = pair(value);
      const [soft = "", hard = soft] = limits.split(":");
      return readUlimit(name, soft === "" ? undefined : Number(soft), hard === "" ? undefined : Number(hard));
    }),
  fromJson: (value) =>
    Object.entries(map(value)).map(([key, item]) => {
      const { Name = key, Soft, Hard } = map(item);
      return readUlimit(string(Name), Soft, Hard ?? Soft);
    }),
  show: (limits) => `[${limits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`).join(" ")}]`,
};
// setrlimit(2); the names of docker/go-units
const ulimitNames =
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" ");
function readUlimit(name: string, soft: unknown, hard: unknown): Ulimit {
  if (!ulimitNames.includes(name)) throw new Error(`invalid ulimit type: ${name}`);
  if (!Number.isInteger(soft) || !Number.isInteger(hard))
    throw new Error(`ulimit ${name}: limits must be whole numbers, -1 for none`);
  const limits = { name, soft: Number(soft), hard: Number(hard) };
  if (limits.hard >= 0 && (limits.soft < 0 || limits.soft > limits.hard))
    throw new Error(`ulimit ${name}: soft limit must be at most hard limit: ${limits.soft} > ${limits.hard}`);
  return limits;
}

/** `10.0.0.0/8`, `fd00::/64`. */
export function cidr(value: string): void {
  const [address = "", bits = ""] = value.split("/");
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    throw new Error(`invalid CIDR address: ${value}`);
}

export function ipAddress(value: string): void {
  if (isIP(value) === 0) throw new Error(`ip address is not correctly formatted: ${JSON.stringify(value)}`);
}

/** `https://mirror.example[:port][/path]` */
export function mirrorAddress(value: string): void {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error(`invalid mirror: ${JSON.stringify(value)} is not an http or https address`);
  if (url.search !== "" || url.hash !== "" || url.username !== "")
    throw new Error(`invalid mirror: ${value} may hold neither query, fragment nor user`);
}

/** `{"host[:port][/path]": ["https://mirror"], "*": [...]}` */
export const registryMirrors: Kind<Readonly<Record<string, readonly string[]>>> = {
  word: "map",
  repeatable: true,
  fromFlag: () => ({}),
  fromJson: (value) =>
    Object.fromEntries(
      Object.entries(map(value)).map(([prefix, addresses]) => {
        if (prefix !== "*" && !/^[A-Za-z0-9.[\]-]+(:\d{1,5})?(\/[a-z0-9._-]+)*$/.test(prefix))
          throw new Error(`invalid prefix of a registry: ${JSON.stringify(prefix)}`);
        return [prefix, texts(mirrorAddress).fromJson(addresses)];
      }),
    ),
  show: showMap,
};

export interface Proxies {
  readonly http: string;
  readonly https: string;
  readonly no: string;
}
/** dockerd's object in daemon.json. */
export const proxies: Kind<Proxies> = {
  word: "map",
  repeatable: true,
  fromFlag: () => ({ http: "", https: "", no: "" }),
  fromJson: (value) => {
    const { "http-proxy": http = "", "https-proxy": https = "", "no-proxy": no = "", ...others } = map(value);
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw new Error(`unknown key ${unknown}`);
    return { http: string(http), https: string(https), no: string(no) };
  },
  show: () => "map",
};
