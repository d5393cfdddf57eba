/** A failure with its own exit status; an empty message prints nothing (the container's own status passes through). */
export class ExitError extends Error {
  readonly status: number;

  constructor(status: number, message = "") {
    super(message);
    this.name = "ExitError";
    this.status = status;
  }
}
