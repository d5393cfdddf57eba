import { byteSlice, quote } from "./go-string.ts";
import { GoNil, GoStruct, GoText, isMap, sortedKeys, typeName } from "./go-value.ts";

/** fmt's %v. */
export function formatValue(value: unknown, verb: "v" | "+v" | "s" | "q" | "d" = "v"): string {
  if (value === null || value === undefined)
    return verb === "s" || verb === "d" || verb === "q" ? `%!${verb}(<nil>)` : "<nil>";
  if (value instanceof GoText) return value.text;
  if (value instanceof GoNil && value.kind !== "pointer") return value.kind === "slice" ? "[]" : "map[]";
  if (value instanceof GoNil) return verb === "s" ? `%!s(${value.typeName}=<nil>)` : "<nil>";
  if (typeof value === "string") return verb === "q" ? quote(value) : verb === "d" ? `%!d(string=${value})` : value;
  if (Array.isArray(value)) return `[${value.map((item) => formatValue(item, verb)).join(" ")}]`;
  if (value instanceof GoStruct) {
    return `{${value.names.map((name) => (verb === "+v" ? `${name}:` : "") + formatValue(value.field(name), verb)).join(" ")}}`;
  }
  if (isMap(value))
    return `map[${sortedKeys(value)
      .map((key) => `${formatValue(key, verb)}:${formatValue(value[key], verb)}`)
      .join(" ")}]`;
  if (typeof value === "number")
    return verb === "s" || verb === "q" ? `%!${verb}(${typeName(value)}=${formatNumber(value)})` : formatNumber(value);
  if (typeof value === "boolean" && verb !== "v" && verb !== "+v") return `%!${verb}(bool=${value})`;
  return String(value);
}

/** %v of an int or a float64: an exponent below 1e-4 and from 1e21, at least two digits of it. */
function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e21)) return goExponent(value.toExponential());
  return String(value);
}

const goExponent = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");

/** fmt.Sprint: a space between two operands when neither is a string. */
export function sprint(args: readonly unknown[]): string {
  let out = "";
  for (const [index, arg] of args.entries()) {
    if (index > 0 && typeof arg !== "string" && typeof args[index - 1] !== "string") out += " ";
    out += formatValue(arg);
  }
  return out;
}

/** fmt.Sprintln. */
export function sprintln(args: readonly unknown[]): string {
  return `${args.map((arg) => formatValue(arg)).join(" ")}\n`;
}

interface Directive {
  readonly verb: string;
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

/** fmt.Sprintf for JSON's kinds of values, with Go's texts for what does not fit. */
export function sprintf(format: string, args: readonly unknown[]): string {
  let next = 0;
  let reordered = false;
  const take = (): { value: unknown } | undefined => (next < args.length ? { value: args[next++] } : undefined);
  let out = "";
  const pattern = /%([-+# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:\.(\*|\d*))?(?:\[(\d+)\])?(.?)/gsu;
  let last = 0;
  for (const match of format.matchAll(pattern)) {
    out += format.slice(last, match.index);
    last = match.index + match[0].length;
    const [, flags = "", firstIndex, widthText, precisionText, secondIndex, verb = ""] = match;
    const index = secondIndex ?? firstIndex;
    if (index !== undefined) {
      reordered = true;
      next = Number(index) - 1;
    }
    let width = widthText === undefined || widthText === "*" ? undefined : Number(widthText);
    let effectiveFlags = flags;
    if (widthText === "*") {
      const star = take();
      if (star === undefined || !Number.isInteger(star.value)) out += "%!(BADWIDTH)";
      else {
        width = Math.abs(Number(star.value));
        if (Number(star.value) < 0) effectiveFlags += "-";
      }
    }
    let precision = precisionText === undefined || precisionText === "*" ? undefined : Number(precisionText);
    if (precisionText === "*") {
      const star = take();
      if (star === undefined || !Number.isInteger(star.value) || Number(star.value) < 0) out += "%!(BADPREC)";
      else precision = Number(star.value);
    }
    // fmt's own bound on a width; without it "%999999999d" would fill the memory.
    if ((width ?? 0) > 1e6) {
      out += "%!(BADWIDTH)";
      width = undefined;
    }
    if ((precision ?? 0) > 1e6) {
      out += "%!(BADPREC)";
      precision = undefined;
    }
    if (verb === "") {
      out += "%!(NOVERB)";
      continue;
    }
    if (verb === "%") {
      out += "%";
      continue;
    }
    const operand = take();
    if (index !== undefined && operand === undefined) out += `%!${verb}(BADINDEX)`;
    else if (operand === undefined) out += `%!${verb}(MISSING)`;
    else out += directive(operand.value, { verb, flags: effectiveFlags, width, precision });
  }
  out += format.slice(last);
  if (!reordered && next < args.length) {
    const extra = args
      .slice(next)
      .map((arg) => (arg === null || arg === undefined ? "<nil>" : `${typeName(arg)}=${formatValue(arg)}`));
    out += `%!(EXTRA ${extra.join(", ")})`;
  }
  return out;
}

function directive(value: unknown, how: Directive): string {
  if (how.verb === "T") return pad(typeName(value), how);
  if (Array.isArray(value) && !"vp".includes(how.verb))
    return `[${value.map((item) => directive(item, how)).join(" ")}]`;
  if (isMap(value) && !"vp".includes(how.verb)) {
    return `map[${sortedKeys(value)
      .map((key) => `${directive(key, how)}:${directive(value[key], how)}`)
      .join(" ")}]`;
  }
  if (how.verb === "v") {
    if (how.flags.includes("#")) return pad(goSyntax(value), how);
    if (typeof value === "number" || typeof value === "string")
      return typeof value === "string" ? text(value, how) : pad(signed(formatValue(value), how), how);
    return pad(formatValue(value, how.flags.includes("+") ? "+v" : "v"), how);
  }
  if (typeof value === "string") return text(value, how);
  if (value instanceof GoText) return text(value.text, how);
  if (typeof value === "number" || typeof value === "bigint") return number(Number(value), how);
  if (typeof value === "boolean" && how.verb === "t") return pad(String(value), how);
  return bad(value, how);
}

function bad(value: unknown, how: Directive): string {
  if (value === null || value === undefined) return `%!${how.verb}(<nil>)`;
  return `%!${how.verb}(${typeName(value)}=${formatValue(value)})`;
}

function text(value: string, how: Directive): string {
  const cut = how.precision === undefined ? value : [...value].slice(0, how.precision).join("");
  if (how.verb === "s" || how.verb === "v") return pad(cut, how);
  if (how.verb === "q") return pad(how.flags.includes("#") && !cut.includes("`") ? `\`${cut}\`` : quote(cut), how);
  if (how.verb === "x" || how.verb === "X") {
    const bytes = how.precision === undefined ? value : byteSlice(value, 0, how.precision);
    const hex = Buffer.from(bytes).toString("hex");
    const spaced = how.flags.includes(" ") ? (hex.match(/../g) ?? []).join(" ") : hex;
    return pad(how.verb === "X" ? spaced.toUpperCase() : spaced, how);
  }
  return bad(value, how);
}

function number(value: number, how: Directive): string {
  const precision = how.precision ?? 6;
  const digits = Math.min(precision, 100); // JavaScript's bound; nobody prints more of a double
  const integer = Number.isInteger(value);
  const sign = value < 0 ? "-" : "";
  const size = Math.abs(value);
  const whole = (base: number, prefix: string): string => {
    const body = size.toString(base).padStart(how.precision ?? 0, "0");
    return pad(signed(sign + (how.flags.includes("#") ? prefix : "") + body, how), how);
  };
  if (integer) {
    if (how.verb === "d") return whole(10, "");
    if (how.verb === "b") return whole(2, "0b");
    if (how.verb === "o") return whole(8, "0");
    if (how.verb === "O") return pad(`${sign}0o${size.toString(8)}`, how);
    if (how.verb === "x") return whole(16, "0x");
    if (how.verb === "X") return whole(16, "0X").toUpperCase();
    const valid = value >= 0 && value <= 0x10_ff_ff && !(value >= 0xd8_00 && value < 0xe0_00);
    if (how.verb === "c") return pad(valid ? String.fromCodePoint(value) : "\ufffd", how);
    if (how.verb === "q") return pad(`'${valid ? String.fromCodePoint(value) : "\ufffd"}'`, how);
    if (how.verb === "U") return pad(`U+${size.toString(16).toUpperCase().padStart(4, "0")}`, how);
  }
  // JSON does not tell 5 from 5.0: an integer is let through as the float it may have been.
  if (how.verb === "f" || how.verb === "F") return pad(signed(value.toFixed(digits), how), how);
  if (how.verb === "e") return pad(signed(goExponent(value.toExponential(digits)), how), how);
  if (how.verb === "E") return pad(signed(goExponent(value.toExponential(digits)).toUpperCase(), how), how);
  if (how.verb === "g" || how.verb === "G")
    return pad(signed(how.precision === undefined ? formatNumber(value) : general(value, digits), how), how);
  return bad(value, how);
}

function general(value: number, digits: number): string {
  const precise = value.toPrecision(Math.max(1, digits));
  const [mantissa = "", exponent] = precise.split("e");
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return exponent === undefined ? short : goExponent(`${short}e${exponent}`);
}

const signed = (body: string, how: Directive): string =>
  body.startsWith("-") ? body : how.flags.includes("+") ? `+${body}` : how.flags.includes(" ") ? ` ${body}` : body;

function pad(body: string, how: Directive): string {
  const missing = (how.width ?? 0) - [...body].length;
  if (missing <= 0) return body;
  if (how.flags.includes("-")) return body + " ".repeat(missing);
  if (!how.flags.includes("0") || how.precision !== undefined) return " ".repeat(missing) + body;
  const sign = /^[+-]/.exec(body)?.[0] ?? "";
  return sign + "0".repeat(missing) + body.slice(sign.length);
}

/** %#v. */
function goSyntax(value: unknown): string {
  if (value === null || value === undefined) return "interface {}(nil)";
  if (typeof value === "string") return quote(value);
  if (value instanceof GoNil) return `(${value.typeName})(nil)`;
  if (Array.isArray(value)) return `${typeName(value)}{${value.map(goSyntax).join(", ")}}`;
  if (value instanceof GoStruct)
    return `${value.typeName}{${value.names.map((name) => `${name}:${goSyntax(value.field(name))}`).join(", ")}}`;
  if (isMap(value))
    return `${typeName(value)}{${sortedKeys(value)
      .map((key) => `${quote(key)}:${goSyntax(value[key])}`)
      .join(", ")}}`;
  return formatValue(value);
}
