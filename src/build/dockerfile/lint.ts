import { EngineError } from "../../base/errors.ts";
import type { Place } from "./dockerfile-error.ts";
import { isExperimental, type LintRuleName, lintRules, lintUrl } from "./lint-rules.ts";

/** A build check that found something. */
export interface Warning extends Place {
  readonly rule: LintRuleName;
  readonly description: string;
  readonly url: string;
  readonly message: string;
}

/** What `# check=` or BUILDKIT_DOCKERFILE_CHECK say. */
export interface CheckOptions {
  readonly skip: "all" | readonly string[];
  readonly experimental: "all" | readonly string[];
  readonly error: boolean;
}

const none: CheckOptions = { skip: [], experimental: [], error: false };

/** Reads `skip=A,B;error=true;experimental=all`. Throws `invalid`. */
export function parseCheckOptions(text: string): CheckOptions {
  let options = none;
  if (text.trim() === "") return options;
  for (const part of text.trim().split(";")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(0, equals)).trim();
    const value = part.slice(equals + 1).trim();
    if (key === "skip" || key === "experimental")
      options = { ...options, [key]: value === "all" ? "all" : value.split(",").map((name) => name.trim()) };
    else if (key === "error" && /^(1|0|t|f|true|false)$/i.test(value))
      options = { ...options, error: /^[1t]/i.test(value) };
    else throw new EngineError("invalid", `invalid check option ${JSON.stringify(equals < 0 ? part : key || part)}`);
  }
  return options;
}

/** Gathers what the checks find, in the order in which it was found. */
export class Lint {
  readonly #options: CheckOptions;
  readonly #warnings: Warning[] = [];

  constructor(options: CheckOptions = none) {
    this.#options = options;
  }

  get warnings(): readonly Warning[] {
    return this.#warnings;
  }

  /** `comments` right above the instruction may carry `check=skip=...` for it alone. */
  report(rule: LintRuleName, message: string, at: Place & { readonly comments?: readonly string[] }): void {
    if (!this.#enabled(rule, at.comments ?? [])) return;
    if (this.#warnings.some((seen) => seen.rule === rule && seen.message === message && seen.line === at.line)) return;
    this.#warnings.push({
      rule,
      description: lintRules[rule].description,
      url: lintUrl(rule),
      message,
      line: at.line,
      endLine: at.endLine,
    });
  }

  /** Throws `invalid` when checks found something and `error=true` was said. */
  throwIfAsked(): void {
    if (!this.#options.error || this.#warnings.length === 0) return;
    const rules = [...new Set(this.#warnings.map((warning) => warning.rule))].sort();
    throw new EngineError("invalid", `lint violation found for rules: ${rules.join(", ")}`, {
      line: this.#warnings[0]?.line ?? 0,
    });
  }

  #enabled(rule: LintRuleName, comments: readonly string[]): boolean {
    const local = comments.map((comment) => /^check\s*=\s*(\S+)/i.exec(comment)?.[1]).find(Boolean);
    const here = local === undefined ? none : quiet(local);
    const names = (of: "all" | readonly string[]): boolean => of === "all" || of.includes(rule);
    if (isExperimental(rule)) return names(this.#options.experimental) || names(here.experimental);
    return !names(this.#options.skip) && !names(here.skip);
  }
}

/** A comment that is no valid option is only a comment. */
function quiet(text: string): CheckOptions {
  try {
    return parseCheckOptions(text);
  } catch {
    return none;
  }
}
