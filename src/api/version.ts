import { EngineError } from "../base/errors.ts";

/** The newest and the oldest API version spoken here. All 1.x, so the minor number is the version. */
export const maxApiVersion = "1.51";
export const minApiVersion = "1.24";
const maxMinor = 51;
const minMinor = 24;

/** Minor number of an API version: 51 for 1.51. */
export type ApiMinor = number;

/** Splits `/v1.41/containers/json`. Without a prefix the newest version is meant (engine-api.md 0.8). */
export function splitVersion(path: string): { minor: ApiMinor; given: string; path: string } {
  const match = /^\/v([0-9.]+)(?=\/|$)/.exec(path);
  if (!match) return { minor: maxMinor, given: "", path };
  const [prefix, given = ""] = match;
  const [major = "0", minor = "0"] = given.split(".");
  const number = Number(minor) + (Number(major) - 1) * 1000;
  return { minor: Number.isNaN(number) ? 0 : number, given, path: path.slice(prefix.length) || "/" };
}

/** Refuses versions that are not spoken here, in Docker's words. */
export function checkVersion(minor: ApiMinor, given: string): void {
  if (minor > maxMinor) {
    throw new EngineError(
      "invalid",
      `client version ${given} is too new. Maximum supported API version is ${maxApiVersion}`,
    );
  }
  if (minor < minMinor) {
    throw new EngineError(
      "invalid",
      `client version ${given} is too old. Minimum supported API version is ${minApiVersion}, please upgrade your client to a newer version`,
    );
  }
}
