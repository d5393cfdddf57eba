import { randomBytes } from "node:crypto";

/** A fresh 64-digit hexadecimal id, as containers, networks and execs have. */
export const newId = (): string => randomBytes(32).toString("hex");

/** The 12 digits people see. */
export const shortId = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);
