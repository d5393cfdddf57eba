const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** go-units HumanDuration: "About a minute", "2 hours". */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / second);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(durationMs / minute);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(durationMs / hour + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(durationMs / hour / 24 / 365)} years`;
}

const decimal = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** A number with this many significant digits and its unit, as C's %.Ng. */
function scaled(sizeBytes: number, base: number, units: readonly string[], digits: number): string {
  let size = sizeBytes;
  let unit = 0;
  while (size >= base && unit < units.length - 1) {
    size /= base;
    unit += 1;
  }
  return `${general(size, digits)}${units[unit] ?? ""}`;
}

/** %.Ng: significant digits without trailing zeros, an exponent when there are too many. */
function general(value: number, digits: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const text = value.toPrecision(digits);
  const [mantissa = "", exponent] = text.split("e");
  const trimmed = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return exponent === undefined ? trimmed : `${trimmed}e${exponent.replace(/^([+-])(\d)$/, "$10$2")}`;
}

/** go-units HumanSize: 4 digits, powers of 1000: `1.123MB`. Lists show 3 digits. */
export function humanSize(sizeBytes: number, digits = 4): string {
  return scaled(sizeBytes, 1000, decimal, digits);
}

/** go-units BytesSize: 4 digits, powers of 1024: `1.5GiB`. */
export function bytesSize(sizeBytes: number): string {
  return scaled(sizeBytes, 1024, binary, 4);
}

/** `2 hours ago`, from a time in milliseconds. */
export function timeAgo(thenMs: number, nowMs = Date.now()): string {
  return `${humanDuration(nowMs - thenMs)} ago`;
}

/** docker's Ellipsis: cut to so many characters, the last being `…`. */
export function ellipsis(text: string, maxCharacters: number): string {
  const characters = [...text];
  if (maxCharacters <= 0) return "";
  if (characters.length <= maxCharacters) return text;
  if (maxCharacters <= 1) return characters.slice(0, maxCharacters).join("");
  return `${characters.slice(0, maxCharacters - 1).join("")}…`;
}

/** stringid.TruncateID: 12 characters, without `sha256:`. */
export function shortId(id: string): string {
  return id.slice(id.indexOf(":") + 1).slice(0, 12);
}

/** Go's time.Time.String() in UTC of an RFC 3339 text: `2026-11-21 06:18:37.101747116 +0000 UTC`. */
export function goTime(rfc3339: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(rfc3339);
  if (match === null) return rfc3339;
  const [, day = "", clock = "", fraction = "", zone = "Z"] = match;
  const digits = fraction.replace(/0+$/, "");
  const offset = zone === "Z" ? "+0000 UTC" : `${zone.replace(":", "")} ${zone.replace(":", "")}`;
  return `${day} ${clock}${digits === "" ? "" : `.${digits}`} ${offset}`;
}

/** Go's time.Time.String() of a moment in the zone of this machine, whole seconds: `2026-11-21 06:19:10 +0000 UTC`. */
export function goLocalTime(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "";
  const two = (value: number): string => String(value).padStart(2, "0");
  const offset = -date.getTimezoneOffset();
  const numeric = `${offset < 0 ? "-" : "+"}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const name =
    new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
      .formatToParts(date)
      .find(({ type }) => type === "timeZoneName")?.value ?? "";
  // Intl knows few abbreviations and says GMT+1 for the others; Go then prints the number again.
  const zone = offset === 0 ? "UTC" : /^[A-Z]{3,4}$/.test(name) ? name : numeric;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${numeric} ${zone}`;
}

/** RFC 3339 in the zone of this machine, whole seconds: `2026-11-21T06:19:05Z`. */
export function localRfc3339(ms: number): string {
  const [day = "", clock = "", offset = ""] = goLocalTime(ms).split(" ");
  return `${day}T${clock}${offset === "+0000" ? "Z" : offset.replace(/(\d\d)$/, ":$1")}`;
}

/** RFC 3339 with nine digits in the zone of this machine: `2026-11-21T06:49:27.854936509Z`. */
export function fixedNanoTime(timeNs: bigint): string {
  const [day = "", clock = "", offset = ""] = goLocalTime(Number(timeNs / 1_000_000n)).split(" ");
  const fraction = String(timeNs % 1_000_000_000n).padStart(9, "0");
  return `${day}T${clock}.${fraction}${offset === "+0000" ? "Z" : offset.replace(/(\d\d)$/, ":$1")}`;
}

/** Go's time.ANSIC of an RFC 3339 text, in UTC: `Fri May 30 12:07:14 2025`. What is no time stays as it is. */
export function ansiTime(rfc3339: string): string {
  const date = new Date(rfc3339);
  if (!/^\d{4}-\d\d-\d\dT/.test(rfc3339) || Number.isNaN(date.getTime())) return rfc3339;
  const [weekday = "", day = "", month = "", year = "", clock = ""] = date.toUTCString().replace(",", "").split(" ");
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${clock} ${year}`;
}
