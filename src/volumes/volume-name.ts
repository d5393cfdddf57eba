import { EngineError } from "../base/errors.ts";

// moby's daemon/names: the name is a folder's name, so it may hold no slash and not begin with a dot
const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const maxBytes = 255; // NAME_MAX of every file system we meet

/** Throws invalid with Docker's text. */
export function checkVolumeName(name: string): void {
  if (name.length === 1)
    throw new EngineError("invalid", "volume name is too short, names should be at least two alphanumeric characters", {
      name,
    });
  if (!pattern.test(name)) {
    throw new EngineError(
      "invalid",
      `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      { name },
    );
  }
  if (name.length > maxBytes)
    throw new EngineError("invalid", `volume name is too long, names may have at most ${maxBytes} characters`, {
      name,
    });
}
