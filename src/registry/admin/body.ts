import { EngineError } from "../../base/errors.ts";
import { type Grant, parseActions } from "../auth/rights.ts";
import { isPattern } from "../pattern.ts";
import { Refusal } from "../refusal.ts";

const maxBodyBytes = 256 * 1024;

/** The JSON object of an administrator's request, read member by member. Throws `invalid` naming the member. */
export class Body {
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(members: Readonly<Record<string, unknown>>) {
    this.#members = members;
  }

  static async of(request: Request): Promise<Body> {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of request.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > maxBodyBytes) throw new Refusal("UNSUPPORTED", "the body is too long", { status: 413 });
    }
    if (text === "") return new Body({});
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new EngineError("invalid", "the body is not JSON");
    }
    if (value === null || typeof value !== "object" || Array.isArray(value))
      throw new EngineError("invalid", "the body is no JSON object");
    return new Body(value as Record<string, unknown>);
  }

  /** For the audit log: everything but passwords. */
  get summary(): string {
    const { password: _, ...rest } = this.#members;
    return Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest).slice(0, 2000)}`;
  }

  has(name: string): boolean {
    return this.#members[name] !== undefined && this.#members[name] !== null;
  }

  text(name: string): string {
    const value = this.#members[name];
    if (typeof value === "string" && value !== "") return value;
    throw new EngineError("invalid", `${name}: a text is wanted`);
  }

  toggle(name: string): boolean {
    const value = this.#members[name] ?? false;
    if (typeof value === "boolean") return value;
    throw new EngineError("invalid", `${name}: true or false is wanted`);
  }

  whole(name: string): number {
    const value = this.#members[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new EngineError("invalid", `${name}: a whole number is wanted`);
  }

  wholeOrNull(name: string): number | null {
    return this.has(name) ? this.whole(name) : null;
  }

  /** `[{ "repositories": "team/**", "actions": ["pull"] }]` */
  grants(name: string): Grant[] {
    const value = this.#members[name] ?? [];
    if (!Array.isArray(value) || value.length > 1000) throw new EngineError("invalid", `${name}: a list is wanted`);
    return value.map((entry: unknown) => {
      const { repositories, actions } = (entry ?? {}) as { repositories?: unknown; actions?: unknown };
      if (typeof repositories !== "string" || !isPattern(repositories))
        throw new EngineError("invalid", `${name}: ${JSON.stringify(repositories)} is no pattern of repositories`);
      const read = Array.isArray(actions) ? parseActions(actions.join(",")) : undefined;
      if (read === undefined) throw new EngineError("invalid", `${name}: the actions are pull, push and delete`);
      return { pattern: repositories, actions: read };
    });
  }
}
