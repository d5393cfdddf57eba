import { EngineError } from "../../base/errors.ts";

/** `linux/amd64` as the JSON that newer operations take; throws containerd's text for what is none. */
export function platformJson(text: string): string {
  const [os = "", architecture, variant, ...rest] = text.split("/");
  const wellFormed = rest.length === 0 && text.split("/").every((part) => /^[A-Za-z0-9_.-]+$/.test(part));
  if (!wellFormed)
    throw new EngineError("invalid", `invalid platform: "${text}": must be os[/arch[/variant]]`, { platform: text });
  return JSON.stringify({
    ...(architecture === undefined ? {} : { architecture }),
    os,
    ...(variant === undefined ? {} : { variant }),
  });
}
